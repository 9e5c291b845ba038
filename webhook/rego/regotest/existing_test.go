package regotest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/regotest"
)

// edited is a case's object before and after an edit, with the findings that the stored object already has.
type edited struct {
	found     decision.Result
	tolerated []bool
}

// TestEveryPolicyTellsOldFromNew edits the object of every case of the library in ways that
// are the same for all policies.
func TestEveryPolicyTellsOldFromNew(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	all := loadCases(t)
	for _, policy := range catalog.Policies() {
		alone := catalog.Only(policy.ID)
		for _, c := range all[policy.ID] {
			if len(*c.Findings) == 0 {
				continue
			}
			t.Run(policy.ID+"/"+c.Name, func(t *testing.T) {
				program, err := c.Program(alone, policy)
				if err != nil {
					t.Fatal(err)
				}
				same := edit(t, c, program, func([]any) {})
				for i, tolerated := range same.tolerated {
					if !tolerated {
						t.Errorf("nothing was changed, but this is new: %+v", same.found.Violations[i])
					}
				}
				reversed := edit(t, c, program, func(containers []any) { slices.Reverse(containers) })
				for i, tolerated := range reversed.tolerated {
					if !tolerated {
						t.Errorf("the containers changed places, but this is new: %+v", reversed.found.Violations[i])
					}
				}
				renamed := edit(t, c, program, func(containers []any) {
					for _, container := range containers {
						if fields, ok := container.(map[string]any); ok {
							fields["name"] = "renamed-" + text(fields["name"])
						}
					}
				})
				for i, tolerated := range renamed.tolerated {
					v := &renamed.found.Violations[i]
					if own := strings.HasPrefix(v.Container, "renamed-"); own == tolerated {
						t.Errorf("the containers were renamed; tolerated is %v: %+v", tolerated, *v)
					}
				}
			})
		}
	}
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// edit returns an UPDATE of the case's object in which change was applied to its app containers.
func edit(t *testing.T, c *regotest.Case, program *rego.Program, change func(containers []any)) edited {
	t.Helper()
	update := *c
	update.Operation, update.OldObject = decision.Update, c.Object
	update.Object, _ = clone(c.Object).(map[string]any)
	if containers := appContainers(update.Object); containers != nil {
		change(containers)
	}
	found, tolerated, err := update.Tolerated(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	return edited{found: found, tolerated: tolerated}
}

// appContainers returns the app containers of a Pod, a template or a CronJob.
func appContainers(object map[string]any) []any {
	for _, path := range []string{"spec.jobTemplate.spec.template.spec", "spec.template.spec", "spec"} {
		at := object
		for name := range strings.SplitSeq(path, ".") {
			at, _ = at[name].(map[string]any)
		}
		if containers, ok := at["containers"].([]any); ok {
			return containers
		}
	}
	return nil
}

func clone(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := maps.Clone(value)
		for name := range copied {
			copied[name] = clone(copied[name])
		}
		return copied
	case []any:
		copied := slices.Clone(value)
		for i := range copied {
			copied[i] = clone(copied[i])
		}
		return copied
	}
	return value
}
