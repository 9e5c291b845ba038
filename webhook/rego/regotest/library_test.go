package regotest_test

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/regotest"
)

// TestCases decides every case of the library, with OPA's rule indexer and without.
func TestCases(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	all := loadCases(t)
	for id := range all {
		if _, ok := catalog.Policy(id); !ok {
			t.Errorf("there are cases for %s, but no such policy", id)
		}
	}
	for _, policy := range catalog.Policies() {
		count := caseCount{kinds: map[schema.GroupKind]bool{}}
		alone := catalog.Only(policy.ID)
		for _, c := range all[policy.ID] {
			count.add(c)
			t.Run(policy.ID+"/"+c.Name, func(t *testing.T) { hold(t, alone, policy, c) })
		}
		if count.finding == 0 || count.clean == 0 {
			t.Errorf("%s has %d cases with a finding and %d clean ones: it needs both", policy.ID, count.finding, count.clean)
		}
		for _, kind := range policy.Kinds {
			if !count.kinds[kind] {
				t.Errorf("%s has no case of a %s with a finding", policy.ID, kind)
			}
		}
	}
}

func hold(t *testing.T, catalog *rego.Catalog, policy *rego.Policy, c *regotest.Case) {
	t.Helper()
	program, err := c.Program(catalog, policy)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Run(t.Context(), program)
	if failure := new(regotest.FailureError); errors.As(err, &failure) {
		t.Errorf("%s (-want +got):\n%s", failure, gocmp.Diff(failure.Want, failure.Got))
	} else if err != nil {
		t.Fatal(err)
	}
}

// loadCases reads the cases of all policies, by the policy's id.
func loadCases(t *testing.T) map[string][]*regotest.Case {
	t.Helper()
	all := map[string][]*regotest.Case{}
	err := fs.WalkDir(policies.FS, ".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(file) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(policies.FS, file)
		if err != nil {
			return err
		}
		id := strings.ReplaceAll(path.Base(path.Dir(path.Dir(file))), "_", "-")
		found, errs := regotest.Read(text, file)
		if len(errs) > 0 {
			t.Error(errs)
		}
		all[id] = append(all[id], found...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// caseCount is what the cases of one policy cover.
type caseCount struct {
	finding, clean int
	kinds          map[schema.GroupKind]bool // with a finding
}

func (n *caseCount) add(c *regotest.Case) {
	if len(*c.Findings)+len(c.Intents) == 0 {
		n.clean++
		return
	}
	n.finding++
	object := unstructured.Unstructured{Object: c.Object}
	n.kinds[object.GroupVersionKind().GroupKind()] = true
}
