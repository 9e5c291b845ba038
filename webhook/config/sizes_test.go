package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
)

func manyTexts(n, size int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("n%05d%s", i, strings.Repeat("a", max(0, size-6)))
	}
	return all
}

// Configuration that would make every request slow is refused when it is applied, with the field, the limit and
// an alternative.
func TestGuardrailsAreBounded(t *testing.T) {
	tags := func(n, size int) v1alpha1.PolicyBinding {
		return v1alpha1.PolicyBinding{Name: "image-tag", Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"tags":["` + strings.Join(manyTexts(n, size), `","`) + `"]}`)}}
	}
	many := func(n, size int) (all []v1alpha1.PolicyBinding) {
		for i := range n {
			all = append(all, tags(1+i, size))
		}
		return all
	}
	spec := func(change func(*v1alpha1.GuardrailSpec)) v1alpha1.GuardrailSpec {
		s := v1alpha1.GuardrailSpec{Mode: v1alpha1.ModeEnforce, Policies: []v1alpha1.PolicyBinding{{Name: "image-tag"}}}
		change(&s)
		return s
	}
	labels := func(n int) map[string]string {
		all := map[string]string{}
		for _, name := range manyTexts(n, 10) {
			all[name] = "on"
		}
		return all
	}
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec     v1alpha1.GuardrailSpec
		want     string // "" for none
		bindings int
	}{
		"as many tags as may be": {spec(func(s *v1alpha1.GuardrailSpec) { s.Policies = []v1alpha1.PolicyBinding{tags(256, 40)} }), "", 1},
		"one tag more":           {spec(func(s *v1alpha1.GuardrailSpec) { s.Policies = []v1alpha1.PolicyBinding{tags(257, 40)} }), "spec.policies[0].parameters.tags: Invalid value: has 257 items, but only 256 are allowed: ", 0},
		"40,000 tags":            {spec(func(s *v1alpha1.GuardrailSpec) { s.Policies = []v1alpha1.PolicyBinding{tags(40_000, 8)} }), "bytes, but only 16384 are allowed: ", 0},
		"parameters as long as may be": {spec(func(s *v1alpha1.GuardrailSpec) {
			s.Policies = []v1alpha1.PolicyBinding{{Name: "image-tag", Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"tags":["a"]}` + strings.Repeat(" ", 16384-14))}}}
		}), "", 1},
		"parameters that are longer": {spec(func(s *v1alpha1.GuardrailSpec) {
			s.Policies = []v1alpha1.PolicyBinding{{Name: "image-tag", Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"tags":["a"]}` + strings.Repeat(" ", 16385-14))}}}
		}), "spec.policies[0].parameters: Invalid value: has 16385 bytes, but only 16384 are allowed: ", 0},
		"a long tag": {spec(func(s *v1alpha1.GuardrailSpec) { s.Policies = []v1alpha1.PolicyBinding{tags(1, 1025)} }), "spec.policies[0].parameters.tags[0]: Invalid value: has 1025 bytes, but a text in a parameter may have at most 1024: ", 0},
		"8 sets":     {spec(func(s *v1alpha1.GuardrailSpec) { s.Policies = many(8, 10) }), "", 8},
		"9 sets":     {spec(func(s *v1alpha1.GuardrailSpec) { s.Policies = many(9, 10) }), "spec.policies[8].parameters: Invalid value: is the 9th set of parameters of this policy in the Guardrail, but only 8 are allowed: ", 8},
		"large sets": {spec(func(s *v1alpha1.GuardrailSpec) { s.Policies = []v1alpha1.PolicyBinding{tags(200, 60), tags(199, 60)} }), "spec.policies[1].parameters: Invalid value: the parameters of this policy in the Guardrail have ", 1},
		"deep": {spec(func(s *v1alpha1.GuardrailSpec) {
			s.Policies[0].Parameters = &apiextensionsv1.JSON{Raw: []byte(strings.Repeat(`{"tags":`, 12) + "1" + strings.Repeat("}", 12))}
		}), "is nested more than 8 levels deep", 0},
		"excluded namespaces":        {spec(func(s *v1alpha1.GuardrailSpec) { s.ExcludeNamespaces = manyTexts(1001, 10) }), "spec.excludeNamespaces: Invalid value: has 1001 items, but only 1000 are allowed: ", 1},
		"as many excluded as may be": {spec(func(s *v1alpha1.GuardrailSpec) { s.ExcludeNamespaces = manyTexts(1000, 10) }), "", 1},
		"as many trusted as may be": {spec(func(s *v1alpha1.GuardrailSpec) {
			s.TrustedWriters.Users, s.TrustedWriters.Groups = append(manyTexts(999, 10), strings.Repeat("u", 1024)), manyTexts(1000, 10)
		}), "", 1},
		"trusted groups":             {spec(func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Groups = manyTexts(1001, 10) }), "spec.trustedWriters.groups: Invalid value: has 1001 items, but only 1000 are allowed: ", 1},
		"a long user":                {spec(func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Users = manyTexts(1, 1025) }), "spec.trustedWriters.users[0]: Too long: may not be more than 1024 bytes", 1},
		"as many bindings as may be": {spec(func(s *v1alpha1.GuardrailSpec) { s.Policies = slices.Repeat(s.Policies, 256) }), "spec.policies[255]: Duplicate value", 1},
		"one binding more":           {spec(func(s *v1alpha1.GuardrailSpec) { s.Policies = slices.Repeat(s.Policies, 257) }), "spec.policies: Invalid value: has 257 items, but only 256 are allowed: bind some in another Guardrail", 1},
		"as large a selector as may be": {spec(func(s *v1alpha1.GuardrailSpec) {
			s.NamespaceSelector = &metav1.LabelSelector{MatchLabels: labels(63), MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: metav1.LabelSelectorOpIn, Values: manyTexts(256, 10)}}}
		}), "", 1},
		"a selector of many labels": {spec(func(s *v1alpha1.GuardrailSpec) {
			s.NamespaceSelector = &metav1.LabelSelector{MatchLabels: labels(64), MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: metav1.LabelSelectorOpExists}}}
		}), "spec.namespaceSelector: Invalid value: has 65 items, but only 64 are allowed: ", 1},
		"trusted users": {spec(func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Users = manyTexts(1001, 10) }), "spec.trustedWriters.users: Invalid value: has 1001 items, but only 1000 are allowed: ", 1},
		"a long group":  {spec(func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Groups = manyTexts(1, 1025) }), "spec.trustedWriters.groups[0]: Too long: may not be more than 1024 bytes", 1},
		"a large selector": {spec(func(s *v1alpha1.GuardrailSpec) {
			s.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: metav1.LabelSelectorOpIn, Values: manyTexts(257, 10)}}}
		}), "spec.namespaceSelector.matchExpressions[0].values: Invalid value: has 257 items, but only 256 are allowed: ", 1},
	} {
		g := &v1alpha1.Guardrail{Spec: c.spec}
		g.Name = "g"
		resolved, errs := Resolve(g, catalog)
		text := ""
		if len(errs) > 0 {
			text = errs.ToAggregate().Error()
		}
		if !strings.Contains(text, c.want) || c.want == "" && text != "" || len(resolved.Bindings) != c.bindings {
			t.Errorf("%s: %d bindings, %.400s", name, len(resolved.Bindings), text)
		}
	}
}

func TestExemptionsAreBounded(t *testing.T) {
	e := &v1alpha1.Exemption{Spec: v1alpha1.ExemptionSpec{
		Policies: []string{"image-tag"}, Namespaces: []string{"shop"}, Names: manyTexts(1001, 10), Containers: []string{"*a*a*a*a*a*a*a*a*a"},
		Reason: "r", Owner: "o", Expires: "2030-01-01",
	}}
	e.Name = "e"
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	resolved, errs := ResolveExemption(e, catalog)
	text := errs.ToAggregate().Error()
	for _, want := range []string{"spec.names: Invalid value: has 1001 items, but only 1000 are allowed: ", "has 9 asterisks, but only 8 are allowed"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if resolved != nil {
		t.Error("it is in force")
	}
}

// Each list of an Exemption has a limit of its own, which applies exactly at its boundary.
func TestEachListOfAnExemptionIsBounded(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		most int
		list func(*v1alpha1.ExemptionSpec) *[]string
	}{
		"policies": {100, func(s *v1alpha1.ExemptionSpec) *[]string { return &s.Policies }}, "namespaces": {1000, func(s *v1alpha1.ExemptionSpec) *[]string { return &s.Namespaces }},
		"kinds": {100, func(s *v1alpha1.ExemptionSpec) *[]string { return &s.Kinds }}, "names": {1000, func(s *v1alpha1.ExemptionSpec) *[]string { return &s.Names }},
		"containers": {256, func(s *v1alpha1.ExemptionSpec) *[]string { return &s.Containers }},
	} {
		for _, n := range []int{c.most, c.most + 1} {
			e := exemption(func(s *v1alpha1.ExemptionSpec) { *c.list(s) = manyTexts(n, 10) })
			_, errs := ResolveExemption(e, catalog)
			want := fmt.Sprintf("spec.%s: Invalid value: has %d items, but only %d are allowed: write several Exemptions", name, n, c.most)
			if told := slices.ContainsFunc(errs, func(err *field.Error) bool { return err.Error() == want }); told != (n > c.most) {
				t.Errorf("%d %s: %.300s", n, name, errs.ToAggregate())
			}
		}
	}
	for pattern, want := range map[string]string{
		strings.Repeat("a", 253): "", strings.Repeat("a", 254): "spec.names[0]: Too long: may not be more than 253 bytes",
		"a*a*a*a*a*a*a*a*a": "", "*a*a*a*a*a*a*a*a*": `spec.names[0]: Invalid value: "*a*a*a*a*a*a*a*a*": has 9 asterisks, but only 8 are allowed`,
	} {
		_, errs := ResolveExemption(exemption(func(s *v1alpha1.ExemptionSpec) { s.Names = []string{pattern} }), catalog)
		if text := fmt.Sprint(errs.ToAggregate()); want == "" && len(errs) > 0 || want != "" && text != want {
			t.Errorf("%s: got %s", pattern, text)
		}
	}
	for _, special := range `?[]{}^$|/\` {
		_, errs := ResolveExemption(exemption(func(s *v1alpha1.ExemptionSpec) { s.Names = []string{"a" + string(special)} }), catalog)
		if len(errs) != 1 || errs[0].Detail != "the only wildcard is the asterisk, which matches any text" {
			t.Errorf("%c: got %v", special, errs)
		}
	}
}
