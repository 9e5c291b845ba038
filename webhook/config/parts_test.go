package config_test

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

func TestWhatIsLoosenedIsDescribed(t *testing.T) {
	for want, l := range map[string]config.Loosened{
		"in namespace shop, Guardrail g would no longer apply a, b":                                                            {Guardrail: "g", Namespace: "shop", Policies: []string{"a", "b"}},
		"in every namespace, Guardrail g would no longer apply a":                                                              {Guardrail: "g", Policies: []string{"a"}},
		"in namespace shop, no Guardrail binds a, b yet, and the Exemption would apply to any Guardrail that binds them later": {Namespace: "shop", Policies: []string{"a", "b"}},
		"in every namespace, no Guardrail binds a yet, and the Exemption would apply to any Guardrail that binds them later":   {Policies: []string{"a"}},
	} {
		if got := l.Describe(); got != want {
			t.Errorf("got %s", got)
		}
	}
}

// A namespace that one of the webhooks no longer selects loses everything, whichever Guardrails select it.
func TestLeavingAWebhookLosesEverything(t *testing.T) {
	parse := func(text string) labels.Selector {
		selector, err := labels.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return selector
	}
	set := config.Guardrails{
		bind(t, "all", v1alpha1.GuardrailSpec{}, map[int]decision.Mode{0: decision.ModeEnforce}),
		bind(t, "on", v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on")}, map[int]decision.Mode{0: decision.ModeWarn}),
	}
	for name, c := range map[string]struct {
		webhooks      []labels.Selector
		before, after map[string]string
		want          string
	}{
		"none":                {nil, map[string]string{"sent": "yes"}, nil, ""},
		"one that stays":      {[]labels.Selector{parse("sent=yes")}, map[string]string{"sent": "yes", "a": "b"}, map[string]string{"sent": "yes"}, ""},
		"one that it had not": {[]labels.Selector{parse("sent=yes")}, nil, map[string]string{"a": "b"}, ""},
		"one that goes":       {[]labels.Selector{parse("sent=yes")}, map[string]string{"sent": "yes"}, nil, "all enforce [sent] true,"},
		"one of two":          {[]labels.Selector{parse("other=x"), parse("sent=yes")}, map[string]string{"sent": "yes"}, nil, "all enforce [sent] true,"},
		"two":                 {[]labels.Selector{parse("sent=yes"), parse("a=b,sent=yes")}, map[string]string{"sent": "yes", "a": "b"}, nil, "all enforce [a sent] true,"},
		"and a Guardrail's":   {[]labels.Selector{parse("sent=yes")}, map[string]string{"sent": "yes", "guard": "on"}, nil, "all enforce [sent] true,on warn [guard] false,"},
		"by its name":         {[]labels.Selector{parse("kubernetes.io/metadata.name=team-a,sent=yes")}, map[string]string{"sent": "yes"}, nil, "all enforce [sent] true,"},
	} {
		got := ""
		for _, loss := range set.Losses(team(c.before), team(c.after), 0, c.webhooks...) {
			got += fmt.Sprintf("%s %s %s %v,", loss.Guardrail, loss.Mode, loss.Labels, loss.Unsent)
		}
		if got != c.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestWhereTwoGuardrailsMeet(t *testing.T) {
	all, on, apart := newGuardrail(t, v1alpha1.GuardrailSpec{}), newGuardrail(t, v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on")}), newGuardrail(t, v1alpha1.GuardrailSpec{ExcludeNamespaces: []string{"b"}})
	namespaces := []decision.Namespace{{Name: "b", Known: true}, {Name: "c", Known: true, Labels: map[string]string{"guard": "on"}}, {Name: "a", Known: true}}
	for name, c := range map[string]struct {
		a, b       *config.Guardrail
		everywhere bool
		want       []string
	}{
		"both": {all, all, true, []string{"a", "b", "c"}}, "one selects": {all, on, false, []string{"c"}}, "the other selects": {on, all, false, []string{"c"}},
		"one leaves out": {all, apart, true, []string{"a", "c"}}, "both select": {on, on, false, []string{"c"}},
	} {
		if got := config.BothEverywhere(c.a, c.b); got != c.everywhere {
			t.Errorf("%s: everywhere %v", name, got)
		}
		if got := config.BothCover(c.a, c.b, namespaces); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// Changing the trusted writers returns another Guardrail and leaves the original unchanged.
func TestTrustingOthers(t *testing.T) {
	g := newGuardrail(t, v1alpha1.GuardrailSpec{TrustedWriters: v1alpha1.TrustedWriters{Users: []string{"alice"}, Groups: []string{"ops"}}})
	other, nobody := g.Trusting("bob"), g.Trusting()
	for user, want := range map[string][3]bool{"alice": {true, false, false}, "bob": {false, true, false}, "carol": {true, false, false}} {
		u := decision.User{Name: user}
		if user == "carol" {
			u.Groups = []string{"dev", "ops"}
		}
		if got := [3]bool{g.Trusts(u), other.Trusts(u), nobody.Trusts(u)}; got != want {
			t.Errorf("%s: got %v", user, got)
		}
	}
	if other.Name != g.Name {
		t.Errorf("it is named %s", other.Name)
	}
}

func TestExemptionsOfAnyName(t *testing.T) {
	all := config.Exemptions{{Name: "a"}, {Name: "b", Names: []string{"*"}}, {Name: "c"}}
	if got := all.Unnarrowed(); len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" || len(all) != 3 || all[1].Name != "b" {
		t.Errorf("got %v of %v", got, all)
	}
}

func TestASelectorThatDoesNotParseIsAnError(t *testing.T) {
	spec := v1alpha1.GuardrailSpec{NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}}
	if g, err := config.NewGuardrail(&v1alpha1.Guardrail{Spec: spec}, nil); err == nil || g != nil {
		t.Errorf("got %+v", g)
	}
	for existing, want := range map[v1alpha1.Existing]bool{"": true, v1alpha1.ExistingTolerate: true, v1alpha1.ExistingEnforce: false} {
		if got := newGuardrail(t, v1alpha1.GuardrailSpec{Existing: existing}).ToleratesExisting(); got != want {
			t.Errorf("%q: got %v", existing, got)
		}
	}
}
