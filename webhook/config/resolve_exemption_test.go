package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
)

const exemptionHeader = "apiVersion: taffrail.dev/v1alpha1\nkind: Exemption\n"

func exemption(change func(*v1alpha1.ExemptionSpec)) *v1alpha1.Exemption {
	e := &v1alpha1.Exemption{}
	e.Name = "legacy"
	e.Spec = v1alpha1.ExemptionSpec{
		Policies: []string{"require-probes"}, Namespaces: []string{"legacy"}, Reason: "it is old", Owner: "team-a", Expires: "2027-01-31",
	}
	change(&e.Spec)
	return e
}

func TestExemptionIsResolved(t *testing.T) {
	got, errs := ResolveExemption(exemption(func(s *v1alpha1.ExemptionSpec) {
		s.Kinds, s.Names, s.Containers = []string{"Service"}, []string{"batch-*"}, []string{"app"}
	}), testCatalog(t))
	want := &Exemption{
		Name: "legacy", Policies: []string{"require-probes"}, Namespaces: []string{"legacy"},
		Kinds: []Kind{{GroupKind: schema.GroupKind{Kind: "Service"}, Any: true}},
		Names: []string{"batch-*"}, Containers: []string{"app"}, Until: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Error(errs, diff)
	}
}

func TestAnExemptionForEveryNamespace(t *testing.T) {
	got, errs := ResolveExemption(exemption(func(s *v1alpha1.ExemptionSpec) { s.Namespaces = []string{"*"} }), testCatalog(t))
	if len(errs) > 0 || got == nil || len(got.Namespaces) != 1 || got.Namespaces[0] != AnyNamespace {
		t.Errorf("%+v, %v", got, errs)
	}
}

// A Policy with an invalid field is not in force, and neither is a last good spec that the current library
// rejects.
func TestPoliciesThatAreKeptOut(t *testing.T) {
	right := userPolicy("right", `input.name == "bad"`)
	odd, empty, fallen := userPolicy("odd", `input.name == "bad"`), userPolicy("empty", ""), userPolicy("fallen", "nobody(input)")
	odd.Spec.FailurePolicy, empty.Spec.Rego = "fail", " "
	fallen.Status.LastGood = &v1alpha1.GoodPolicy{Generation: 1, Spec: userPolicy("fallen", "nobody(input)").Spec}
	p := ResolvePolicies([]v1alpha1.Policy{right, odd, empty, fallen}, testCatalog(t))
	for name, want := range map[string]string{
		"odd": `spec.failurePolicy: Unsupported value: "fail": supported values: "Ignore", "Fail"`, "empty": "spec.rego: Required value: a Policy is a Rego module", "fallen": "spec.rego: Invalid value: ", "right": "",
	} {
		text := ""
		if errs := p.Errors[name]; len(errs) > 0 {
			text = errs[0].Error()
		}
		if _, inForce := p.Catalog.Policy(name); inForce != (want == "") || !strings.HasPrefix(text, want) || (want == "") != (text == "") || p.LastGood[name] {
			t.Errorf("%s: in force %v, %s", name, inForce, text)
		}
	}
}

func TestExemptionsEndAtAMomentToo(t *testing.T) {
	got, errs := ResolveExemption(exemption(func(s *v1alpha1.ExemptionSpec) { s.Expires = "2027-01-31T18:00:00+02:00" }), testCatalog(t))
	if len(errs) > 0 || !got.Until.Equal(time.Date(2027, 1, 31, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("%v, %v", got, errs)
	}
}

// An Exemption with a fault in its scope never covers more because of it.
func TestExemptionThatIsWrong(t *testing.T) {
	catalog := testCatalog(t)
	for name, test := range map[string]struct {
		change  func(*v1alpha1.ExemptionSpec)
		want    string
		inForce bool
	}{
		"no policy":               {func(s *v1alpha1.ExemptionSpec) { s.Policies = nil }, "spec.policies: Required value: name the policies that the objects are exempt from", false},
		"an unknown policy":       {func(s *v1alpha1.ExemptionSpec) { s.Policies = []string{"require-probe"} }, `spec.policies[0]: Invalid value: "require-probe": there is no policy with this id, did you mean "require-probes"?`, false},
		"one of two is unknown":   {func(s *v1alpha1.ExemptionSpec) { s.Policies = []string{"require-probes", "xyz"} }, `spec.policies[1]: Invalid value: "xyz": there is no policy with this id`, true},
		"every policy":            {func(s *v1alpha1.ExemptionSpec) { s.Policies = []string{"*"} }, `spec.policies[0]: Invalid value: "*": there is no policy with this id`, false},
		"no namespace":            {func(s *v1alpha1.ExemptionSpec) { s.Namespaces = nil }, `spec.namespaces: Required value: name the namespaces, or write "*" alone for all of them`, false},
		"a pattern of namespaces": {func(s *v1alpha1.ExemptionSpec) { s.Namespaces = []string{"team-*"} }, `spec.namespaces[0]: Invalid value: "team-*": name each namespace, or write "*" alone for all of them`, false},
		"every and one":           {func(s *v1alpha1.ExemptionSpec) { s.Namespaces = []string{"a", "*"} }, `spec.namespaces[1]: Invalid value: "*": name each namespace, or write "*" alone for all of them`, false},
		"no name of a namespace":  {func(s *v1alpha1.ExemptionSpec) { s.Namespaces = []string{"a", ""} }, `spec.namespaces[1]: Required value: must not be empty`, false},
		"one namespace twice":     {func(s *v1alpha1.ExemptionSpec) { s.Namespaces = []string{"a", "a"} }, `spec.namespaces[1]: Duplicate value: "a"`, false},
		"a kind without a name":   {func(s *v1alpha1.ExemptionSpec) { s.Kinds = []string{""} }, `spec.kinds[0]: Required value: must not be empty`, false},
		"a policy twice":          {func(s *v1alpha1.ExemptionSpec) { s.Policies = []string{"require-probes", "require-probes"} }, `spec.policies[1]: Duplicate value: "require-probes"`, true},
		"a policy without a name": {func(s *v1alpha1.ExemptionSpec) { s.Policies = []string{"require-probes", ""} }, `spec.policies[1]: Required value: must not be empty`, true},
		"a mistyped kind":         {func(s *v1alpha1.ExemptionSpec) { s.Kinds = []string{"Servise"} }, `spec.kinds[0]: Invalid value: "Servise": no policy applies to this kind, did you mean "Service"?`, false},
		"a kind of another group": {func(s *v1alpha1.ExemptionSpec) { s.Kinds = []string{"Service.serving.knative.dev"} }, `spec.kinds[0]: Invalid value: "Service.serving.knative.dev": no policy applies to this kind`, false},
		"an empty name":           {func(s *v1alpha1.ExemptionSpec) { s.Names = []string{""} }, `spec.names[0]: Required value: must not be empty`, false},
		"a shell's pattern":       {func(s *v1alpha1.ExemptionSpec) { s.Names = []string{"a?"} }, `spec.names[0]: Invalid value: "a?": the only wildcard is the asterisk, which matches any text`, false},
		"a blank":                 {func(s *v1alpha1.ExemptionSpec) { s.Containers = []string{"a b"} }, `spec.containers[0]: Invalid value: "a b": a name cannot contain white space`, false},
		"no reason":               {func(s *v1alpha1.ExemptionSpec) { s.Reason = " " }, "spec.reason: Required value: explain why the objects need not comply yet", false},
		"no owner":                {func(s *v1alpha1.ExemptionSpec) { s.Owner = "" }, "spec.owner: Required value: name a contact: a team, a person or an address", false},
		"no end":                  {func(s *v1alpha1.ExemptionSpec) { s.Expires = "" }, "spec.expires: Required value: " + expiryHint, false},
		"no such day":             {func(s *v1alpha1.ExemptionSpec) { s.Expires = "2027-02-30" }, `spec.expires: Invalid value: "2027-02-30": ` + expiryHint, false},
		"no such time":            {func(s *v1alpha1.ExemptionSpec) { s.Expires = "2027-01-31T25:00:00Z" }, `spec.expires: Invalid value: "2027-01-31T25:00:00Z": ` + expiryHint, false},
	} {
		got, errs := ResolveExemption(exemption(test.change), catalog)
		if (got != nil) != test.inForce {
			t.Errorf("%s: resolved to %+v", name, got)
		}
		if len(errs) != 1 || errs[0].Error() != test.want {
			t.Errorf("%s: got %v", name, errs)
		}
	}
}

func TestDatesOfExemptionsNeedNoQuotes(t *testing.T) {
	entries, _, errs := decode([]byte(exemptionHeader+"metadata: {name: x}\nspec: {policies: [a], namespaces: [b], reason: c, owner: d, expires: 2027-01-31}\n"), "e.yaml")
	if len(errs) > 0 || len(entries) != 1 {
		t.Fatal(errs)
	}
	if e, ok := entries[0].object.(*v1alpha1.Exemption); !ok || e.Spec.Expires != "2027-01-31" {
		t.Errorf("%+v", entries[0].object)
	}
}

func userPolicy(name, rule string) v1alpha1.Policy {
	p := v1alpha1.Policy{}
	p.Name = name
	p.Spec.Rego = `# METADATA
# title: A title
# description: A description.
# custom:
#   id: ` + name + `
#   severity: high
#   section: "1"
#   kinds: [Service]
#   default_mode: warn
#   remediation: Do it.
package taffrail.user.` + strings.ReplaceAll(name, "-", "_") + `

deny contains {"msg": "bad", "path": "spec"} if ` + rule + "\n"
	return p
}

func TestPoliciesAreResolvedOneByOne(t *testing.T) {
	good, bad, fallen := userPolicy("good", `input.name == "bad"`), userPolicy("bad", "nobody(input)"), userPolicy("fallen", "nobody(input)")
	fallen.Status.LastGood = &v1alpha1.GoodPolicy{Generation: 1, Spec: userPolicy("fallen", `input.name == "old"`).Spec}
	open := userPolicy("open", `input.name == "bad"`)
	open.Spec.FailurePolicy = v1alpha1.PolicyFailureIgnore
	p := ResolvePolicies([]v1alpha1.Policy{good, bad, fallen, open}, testCatalog(t))
	for name, want := range map[string]struct{ inForce, wrong, lastGood, failOpen bool }{
		"good":   {true, false, false, false},
		"open":   {true, false, false, true},
		"bad":    {false, true, false, false},
		"fallen": {true, true, true, false},
	} {
		_, inForce := p.Catalog.Policy(name)
		if inForce != want.inForce || len(p.Errors[name]) > 0 != want.wrong || p.LastGood[name] != want.lastGood || p.FailOpen[name] != want.failOpen {
			t.Errorf("%s: in force %v, errors %v, last good %v, fail open %v", name, inForce, p.Errors[name], p.LastGood[name], p.FailOpen[name])
		}
	}
	if text := p.Errors["bad"].ToAggregate().Error(); !strings.Contains(text, "spec.rego") || !strings.Contains(text, ":13:") || !strings.Contains(text, "nobody") {
		t.Errorf("the compiler's line is not named: %s", text)
	}
}
