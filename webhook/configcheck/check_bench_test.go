package configcheck_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// manyPolicies returns the library with n users' Policies of ordinary length, each bound by one Guardrail.
func manyPolicies(tb testing.TB, library *rego.Catalog, n int) config.Objects {
	tb.Helper()
	g := guardrail("all", v1alpha1.ModeEnforce)
	for _, policy := range library.Policies() {
		g.Spec.Policies = append(g.Spec.Policies, binding(policy.ID, ""))
	}
	var objects config.Objects
	for i := range n {
		p := v1alpha1.Policy{}
		p.Name = fmt.Sprintf("own-%d", i)
		p.Spec.Rego = `# METADATA
# title: A title
# description: A description.
# custom:
#   id: ` + p.Name + `
#   severity: high
#   kinds: [Deployment.apps, StatefulSet.apps, DaemonSet.apps]
#   remediation: Do it.
package taffrail.user.` + strings.ReplaceAll(p.Name, "-", "_") + `

import data.taffrail.lib.prestop
import future.keywords.not

deny contains {"msg": sprintf("container %s has no team", [container.name]), "path": concat("", [container.path, ".env"]), "container": container.name} if {
	some container in input.containers
	not team(container.spec)
	not prestop.waits(object.get(container.spec, ["lifecycle", "preStop"], {}))
}

team(spec) if {
	some entry in spec.env
	entry.name == "TEAM"
}
`
		objects.Policies = append(objects.Policies, p)
		g.Spec.Policies = append(g.Spec.Policies, binding(p.Name, ""))
	}
	objects.Guardrails = []v1alpha1.Guardrail{g}
	return objects
}

type stored struct{ objects config.Objects }

func (s stored) Configuration(context.Context) (config.Objects, error) { return s.objects, nil }

func (stored) Namespaces(context.Context) ([]decision.Namespace, error) { return nil, nil }

func (stored) Labels(context.Context, []string) (map[string]decision.Namespace, error) {
	return nil, nil
}

// updateOf returns the request that changes a Guardrail's parameters for the nth time.
func updateOf(tb testing.TB, g v1alpha1.Guardrail, n int) (r *decision.Request, changed v1alpha1.Guardrail) {
	tb.Helper()
	object := func(g v1alpha1.Guardrail) map[string]any {
		g.APIVersion, g.Kind = v1alpha1.GroupVersion().String(), config.KindGuardrail
		text, err := json.Marshal(g)
		if err != nil {
			tb.Fatal(err)
		}
		var decoded map[string]any
		if err := json.Unmarshal(text, &decoded); err != nil {
			tb.Fatal(err)
		}
		delete(decoded, "status")
		return decoded
	}
	changed = *g.DeepCopy()
	changed.Spec.Policies = append(changed.Spec.Policies, binding("min-replicas", fmt.Sprintf(`{"minimum": %d}`, 3+n)))
	return &decision.Request{Operation: decision.Update, Object: object(changed), OldObject: object(g)}, changed
}

// BenchmarkGuardrailWrites measures the cost of a Guardrail write with 100 Policies stored: for the replica
// that checks it, and for every replica that applies it.
func BenchmarkGuardrailWrites(b *testing.B) {
	library := catalog(b)
	objects := manyPolicies(b, library, 100)
	checker, builder := configcheck.New(library, stored{objects}, nil), config.NewBuilder(library)
	if _, problems, err := builder.Build(b.Context(), objects); err != nil || len(problems) > 0 {
		b.Fatal(problems, err)
	}
	b.Run("checked", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			r, _ := updateOf(b, objects.Guardrails[0], i)
			checked, err := checker.Check(b.Context(), r)
			if err != nil || len(checked.Faults) > 0 {
				b.Fatal(checked, err)
			}
		}
	})
	b.Run("put into force", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			changed := objects
			_, g := updateOf(b, objects.Guardrails[0], i)
			changed.Guardrails = []v1alpha1.Guardrail{g}
			if _, problems, err := builder.Build(b.Context(), changed); err != nil || len(problems) > 0 {
				b.Fatal(problems, err)
			}
		}
	})
}
