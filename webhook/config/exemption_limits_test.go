package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// An Exemption ends when it expires, or earlier if a Guardrail stops honoring it.
func TestWhatGuardrailsMakeOfAnExemption(t *testing.T) {
	created := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return created.AddDate(0, 0, n) }
	set := config.Guardrails{
		exempting(t, "free", v1alpha1.GuardrailSpec{}, "a"),
		exempting(t, "never", v1alpha1.GuardrailSpec{Exemptions: &v1alpha1.ExemptionLimits{Never: []string{"b"}}}, "a", "b"),
		exempting(t, "team", v1alpha1.GuardrailSpec{NamespaceSelector: selecting("team", "x"), Exemptions: &v1alpha1.ExemptionLimits{MaxDuration: "48h"}}, "a", "c"),
	}
	namespaceOf := func(name string) decision.Namespace {
		if name == "x" {
			return decision.Namespace{Name: name, Known: true, Labels: map[string]string{"team": "x"}}
		}
		return decision.Namespace{Name: name, Known: true}
	}
	for name, c := range map[string]struct {
		policies, namespaces string
		until                int
		file                 bool
		kind                 string
		want                 string
		end                  int
	}{
		"of two":                         {"a", "shop", 7, false, "", "free a 7,never a 7", 7},
		"never":                          {"b", "shop", 7, false, "", "never b -", -1},
		"by one, and never by another":   {"a b", "shop", 7, false, "", "free a 7,never a 7,never b -", 7},
		"no longer":                      {"c", "x", 7, false, "", "team c 2", 2},
		"to the moment":                  {"c", "x", 2, false, "", "team c 2", 2},
		"a day less":                     {"c", "x", 1, false, "", "team c 1", 1},
		"by another for longer":          {"a", "x", 7, false, "", "free a 7,never a 7,team a 2", 7},
		"by the last of those that do":   {"b c", "x", 7, false, "", "never b -,team c 2", 2},
		"from a file":                    {"c", "x", 2, true, "", "team c 2", 2},
		"from a file, too long":          {"c", "x", 3, true, "", "team c -", -1},
		"one of two namespaces":          {"c", "shop x", 7, false, "", "team c 2", 2},
		"every namespace":                {"c", "*", 7, false, "", "team c 2", 2},
		"another namespace":              {"c", "shop", 7, false, "", "", 7},
		"about a kind that is bound":     {"c", "x", 7, false, "Pod", "team c 2", 2},
		"about a kind that is not bound": {"c", "x", 7, false, "Service", "", 7},
	} {
		e := &config.Exemption{Policies: strings.Fields(c.policies), Namespaces: strings.Fields(c.namespaces), Until: day(c.until), Created: created}
		if c.file {
			e.Created = time.Time{}
		}
		if c.kind != "" {
			e.Kinds = []config.Kind{{GroupKind: schema.GroupKind{Kind: c.kind}}}
		}
		honored := set.Honored(e, namespaceOf, created)
		got := make([]string, 0, len(honored))
		for _, h := range honored {
			until := "-"
			if !h.Until.IsZero() {
				until = fmt.Sprint(int(h.Until.Sub(created) / (24 * time.Hour)))
			}
			got = append(got, h.Guardrail+" "+h.Policy+" "+until)
		}
		want := time.Time{}
		if c.end >= 0 {
			want = day(c.end)
		}
		if text := strings.Join(got, ","); text != c.want || !e.End(honored).Equal(want) {
			t.Errorf("%s: got %s, with the end %v", name, text, e.End(honored))
		}
	}
}
