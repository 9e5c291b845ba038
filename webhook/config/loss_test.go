package config_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// bind returns a Guardrail that binds policies by instance: instance 3 is of policy p3.
func bind(t interface{ Fatal(...any) }, name string, spec v1alpha1.GuardrailSpec, instances map[int]decision.Mode) *config.Guardrail {
	var bindings []config.Binding
	for instance := range 10 {
		if mode, ok := instances[instance]; ok {
			bindings = append(bindings, config.Binding{Policy: &rego.Policy{ID: fmt.Sprintf("p%d", instance)}, Instance: instance, Mode: mode})
		}
	}
	g, err := config.NewGuardrail(&v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, bindings)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func team(labels map[string]string) decision.Namespace {
	return decision.Namespace{Name: "team-a", Labels: labels, Known: true}
}

func expression(key string, operator metav1.LabelSelectorOperator, values ...string) v1alpha1.GuardrailSpec {
	return v1alpha1.GuardrailSpec{NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: key, Operator: operator, Values: values},
	}}}
}

func TestLosses(t *testing.T) {
	const enforce, warn, audit = decision.ModeEnforce, decision.ModeWarn, decision.ModeAudit
	type instances = map[int]decision.Mode
	type labels = map[string]string
	on := v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on")}
	with := func(spec v1alpha1.GuardrailSpec, change func(*v1alpha1.GuardrailSpec)) v1alpha1.GuardrailSpec {
		change(&spec)
		return spec
	}
	trusting := func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Users = []string{"operator"} }
	strict := func(s *v1alpha1.GuardrailSpec) { s.Existing = v1alpha1.ExistingEnforce }
	excluding := func(s *v1alpha1.GuardrailSpec) { s.ExcludeNamespaces = []string{"team-a"} }
	everyone := v1alpha1.GuardrailSpec{}
	one := bind(t, "g", on, instances{0: enforce, 1: enforce, 2: warn})
	lost := func(name string, mode decision.Mode, labels []string, policies ...string) []config.Loss {
		return []config.Loss{{Guardrail: name, Mode: mode, Labels: labels, Policies: policies}}
	}
	guard := []string{"guard"}
	for name, test := range map[string]struct {
		set           config.Guardrails
		before, after labels
		ceiling       decision.Mode
		want          []config.Loss
	}{
		"the label goes":                     {config.Guardrails{one}, labels{"guard": "on"}, nil, 0, lost("g", enforce, guard, "p0", "p1")},
		"the label changes":                  {config.Guardrails{one}, labels{"guard": "on"}, labels{"guard": "off"}, 0, lost("g", enforce, guard, "p0", "p1")},
		"another label goes":                 {config.Guardrails{one}, labels{"guard": "on", "a": "b"}, labels{"guard": "on"}, 0, nil},
		"the label comes":                    {config.Guardrails{one}, nil, labels{"guard": "on"}, 0, nil},
		"it was never selected":              {config.Guardrails{one}, labels{"a": "b"}, nil, 0, nil},
		"NotIn, and the value is added":      {config.Guardrails{bind(t, "n", expression("skip", "NotIn", "yes"), instances{0: warn})}, nil, labels{"skip": "yes"}, 0, lost("n", warn, []string{"skip"}, "p0")},
		"NotIn, and another value is added":  {config.Guardrails{bind(t, "n", expression("skip", "NotIn", "yes"), instances{0: warn})}, nil, labels{"skip": "no"}, 0, nil},
		"DoesNotExist, and it is added":      {config.Guardrails{bind(t, "n", expression("skip", "DoesNotExist"), instances{0: audit})}, nil, labels{"skip": ""}, 0, lost("n", audit, []string{"skip"}, "p0")},
		"Exists, and the value changes":      {config.Guardrails{bind(t, "n", expression("tier", "Exists"), instances{0: audit})}, labels{"tier": "1"}, labels{"tier": "2"}, 0, nil},
		"everyone is selected":               {config.Guardrails{bind(t, "e", everyone, instances{0: enforce})}, labels{"guard": "on"}, nil, 0, nil},
		"excluded by name":                   {config.Guardrails{bind(t, "x", with(on, excluding), instances{0: enforce})}, labels{"guard": "on"}, nil, 0, nil},
		"the ceiling is warn":                {config.Guardrails{one}, labels{"guard": "on"}, nil, warn, lost("g", warn, guard, "p0", "p1", "p2")},
		"the ceiling is audit":               {config.Guardrails{one}, labels{"guard": "on"}, nil, audit, lost("g", audit, guard, "p0", "p1", "p2")},
		"another holds all of it":            {config.Guardrails{one, bind(t, "h", everyone, instances{0: enforce, 1: enforce, 2: enforce})}, labels{"guard": "on"}, nil, 0, nil},
		"another holds it from now on":       {config.Guardrails{one, bind(t, "h", expression("guard", "DoesNotExist"), instances{0: enforce, 1: enforce, 2: warn})}, labels{"guard": "on"}, nil, 0, nil},
		"another holds a part":               {config.Guardrails{one, bind(t, "h", everyone, instances{0: enforce, 2: audit})}, labels{"guard": "on"}, nil, 0, lost("g", enforce, guard, "p1")},
		"another holds the enforced part":    {config.Guardrails{one, bind(t, "h", everyone, instances{0: enforce, 1: enforce})}, labels{"guard": "on"}, nil, 0, lost("g", warn, guard, "p2")},
		"another is weaker":                  {config.Guardrails{one, bind(t, "h", everyone, instances{0: warn, 1: warn, 2: warn})}, labels{"guard": "on"}, nil, 0, lost("g", enforce, guard, "p0", "p1")},
		"another is weaker, under a ceiling": {config.Guardrails{one, bind(t, "h", everyone, instances{0: warn, 1: warn, 2: warn})}, labels{"guard": "on"}, nil, warn, nil},
		"another trusts more":                {config.Guardrails{one, bind(t, "h", with(everyone, trusting), instances{0: enforce, 1: enforce, 2: warn})}, labels{"guard": "on"}, nil, 0, lost("g", enforce, guard, "p0", "p1")},
		"another trusts another group":       {config.Guardrails{bind(t, "g", with(on, func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Groups = []string{"a"} }), instances{0: enforce}), bind(t, "h", with(everyone, func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Groups = []string{"a", "b"} }), instances{0: enforce})}, labels{"guard": "on"}, nil, 0, lost("g", enforce, guard, "p0")},
		"another trusts the same group":      {config.Guardrails{bind(t, "g", with(on, func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Groups = []string{"a", "b"} }), instances{0: enforce}), bind(t, "h", with(everyone, func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Groups = []string{"b", "a"} }), instances{0: enforce})}, labels{"guard": "on"}, nil, 0, nil},
		"two labels, one asked for twice": {config.Guardrails{bind(t, "n", v1alpha1.GuardrailSpec{NamespaceSelector: &metav1.LabelSelector{MatchLabels: labels{"b": "on", "a": "on"}, MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "b", Operator: metav1.LabelSelectorOpExists}, {Key: "c", Operator: metav1.LabelSelectorOpExists},
		}}}, instances{0: enforce})}, labels{"a": "on", "b": "on", "c": ""}, labels{"c": ""}, 0, lost("n", enforce, []string{"a", "b"}, "p0")},
		"another trusts less":                  {config.Guardrails{bind(t, "g", with(on, trusting), instances{0: enforce}), bind(t, "h", everyone, instances{0: enforce})}, labels{"guard": "on"}, nil, 0, nil},
		"another tolerates more":               {config.Guardrails{bind(t, "g", with(on, strict), instances{0: enforce}), bind(t, "h", everyone, instances{0: enforce})}, labels{"guard": "on"}, nil, 0, lost("g", enforce, guard, "p0")},
		"another tolerates less":               {config.Guardrails{one, bind(t, "h", with(everyone, strict), instances{0: enforce, 1: enforce, 2: warn})}, labels{"guard": "on"}, nil, 0, nil},
		"another excludes it":                  {config.Guardrails{one, bind(t, "h", with(everyone, excluding), instances{0: enforce, 1: enforce, 2: warn})}, labels{"guard": "on"}, nil, 0, lost("g", enforce, guard, "p0", "p1")},
		"two let go, and each would be enough": {config.Guardrails{bind(t, "a", on, instances{0: enforce}), bind(t, "b", on, instances{0: enforce})}, labels{"guard": "on"}, nil, 0, append(lost("a", enforce, guard, "p0"), lost("b", enforce, guard, "p0")...)},
		"the name is no label that could go":   {config.Guardrails{bind(t, "n", v1alpha1.GuardrailSpec{NamespaceSelector: selecting("kubernetes.io/metadata.name", "team-a")}, instances{0: enforce})}, labels{"kubernetes.io/metadata.name": "team-a"}, nil, 0, nil},
		"the policy with other parameters":     {config.Guardrails{one, bind(t, "h", everyone, instances{7: enforce, 8: enforce})}, labels{"guard": "on"}, nil, 0, lost("g", enforce, guard, "p0", "p1")},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.set.Losses(team(test.before), team(test.after), test.ceiling)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Properties of losses, over few Guardrails and labels, so that they often coincide.
func TestLossLaws(t *testing.T) {
	labelsOf := rapid.MapOf(rapid.SampledFrom([]string{"a", "b"}), rapid.SampledFrom([]string{"1", "2"}))
	operators := []metav1.LabelSelectorOperator{metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist}
	modes := []decision.Mode{decision.ModeAudit, decision.ModeWarn, decision.ModeEnforce}
	draw := func(t *rapid.T, name string) *config.Guardrail {
		var spec v1alpha1.GuardrailSpec
		if rapid.IntRange(0, 4).Draw(t, "selects") > 0 {
			operator := rapid.SampledFrom(operators).Draw(t, "operator")
			var values []string
			if operator == metav1.LabelSelectorOpIn || operator == metav1.LabelSelectorOpNotIn {
				values = []string{rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value")}
			}
			spec = expression(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), operator, values...)
		}
		if rapid.Bool().Draw(t, "strict") {
			spec.Existing = v1alpha1.ExistingEnforce
		}
		if rapid.Bool().Draw(t, "trusts") {
			spec.TrustedWriters.Groups = []string{"operators"}
		}
		instances := rapid.MapOfN(rapid.IntRange(0, 2), rapid.SampledFrom(modes), 1, 3).Draw(t, "instances")
		return bind(t, name, spec, instances)
	}
	names := func(losses []config.Loss) (all []string) {
		for _, loss := range losses {
			all = append(all, loss.Guardrail)
		}
		return all
	}
	property.Check(t, func(t *rapid.T) {
		var set config.Guardrails
		for i := range rapid.IntRange(0, 4).Draw(t, "guardrails") {
			set = append(set, draw(t, fmt.Sprintf("g%d", i)))
		}
		before, after := team(labelsOf.Draw(t, "before")), team(labelsOf.Draw(t, "after"))
		ceiling := rapid.SampledFrom([]decision.Mode{0, decision.ModeAudit, decision.ModeWarn, decision.ModeEnforce}).Draw(t, "ceiling")
		there, back := set.Losses(before, after, ceiling), set.Losses(after, before, ceiling)

		if len(set.Losses(before, before, ceiling)) > 0 {
			t.Fatal("something is lost where nothing changes")
		}
		for _, name := range names(there) {
			if slices.Contains(names(back), name) {
				t.Fatalf("%s lets go both ways", name)
			}
		}
		for _, loss := range there {
			if loss.Mode == 0 || ceiling != 0 && loss.Mode > ceiling || len(loss.Policies) == 0 || len(loss.Labels) == 0 {
				t.Fatalf("%+v", loss)
			}
		}
		// An additional Guardrail may enforce what another one loses, so that no permission is needed for that
		// one. If it is lost too, it makes no difference.
		more := draw(t, "more")
		with := names(append(slices.Clone(set), more).Losses(before, after, ceiling))
		others := slices.DeleteFunc(slices.Clone(with), func(name string) bool { return name == "more" })
		for _, name := range others {
			if !slices.Contains(names(there), name) {
				t.Fatalf("%s lets go only where there is one Guardrail more", name)
			}
		}
		if slices.Contains(with, "more") && !slices.Equal(others, names(there)) {
			t.Fatalf("%v let go together with one that does, and without it %v", others, names(there))
		}
	})
}
