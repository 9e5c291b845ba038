package guardrail_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/review"
)

func batchDeployment(namespace, name string) *review.Request {
	return &review.Request{
		Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Name: name, Namespace: review.Namespace{Name: namespace, Known: true},
	}
}

func TestExemptionIsAbout(t *testing.T) {
	now := time.Date(2027, 1, 31, 23, 59, 59, 0, time.UTC)
	midnight := now.Add(time.Second)
	pod := &review.Request{
		Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, GenerateName: "batch-", Namespace: review.Namespace{Name: "legacy"},
	}
	namespace := &review.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, Name: "legacy"}
	node := &review.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Node"}, Name: "legacy"}
	for name, test := range map[string]struct {
		exemption guardrail.Exemption
		request   *review.Request
		want      bool
	}{
		"its namespace":                {guardrail.Exemption{Namespaces: []string{"legacy"}}, batchDeployment("legacy", "batch-a"), true},
		"another namespace":            {guardrail.Exemption{Namespaces: []string{"legacy"}}, batchDeployment("legacy-2", "batch-a"), false},
		"any namespace":                {guardrail.Exemption{Namespaces: []string{"*"}}, batchDeployment("x", "batch-a"), true},
		"no namespace":                 {guardrail.Exemption{}, batchDeployment("legacy", "batch-a"), false},
		"a Namespace is in itself":     {guardrail.Exemption{Namespaces: []string{"legacy"}}, namespace, true},
		"a Node is in none":            {guardrail.Exemption{Namespaces: []string{"legacy"}}, node, false},
		"a Node is in any":             {guardrail.Exemption{Namespaces: []string{"*"}}, node, true},
		"a kind of any group":          {guardrail.Exemption{Namespaces: []string{"legacy"}, Kinds: []guardrail.Kind{{GroupKind: schema.GroupKind{Kind: "Deployment"}, Any: true}}}, batchDeployment("legacy", "a"), true},
		"a kind of another group":      {guardrail.Exemption{Namespaces: []string{"legacy"}, Kinds: []guardrail.Kind{{GroupKind: schema.GroupKind{Kind: "Deployment"}}}}, batchDeployment("legacy", "a"), false},
		"another kind":                 {guardrail.Exemption{Namespaces: []string{"legacy"}, Kinds: []guardrail.Kind{{GroupKind: schema.GroupKind{Kind: "Pod"}, Any: true}}}, batchDeployment("legacy", "a"), false},
		"a name":                       {guardrail.Exemption{Namespaces: []string{"legacy"}, Names: []string{"x", "batch-*"}}, batchDeployment("legacy", "batch-a"), true},
		"another name":                 {guardrail.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-*"}}, batchDeployment("legacy", "a-batch-a"), false},
		"any name that may be made":    {guardrail.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-*"}}, pod, true},
		"some name that may be made":   {guardrail.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-*-a"}}, pod, false},
		"a name that may be made":      {guardrail.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-abcde"}}, pod, false},
		"the prefix is no name":        {guardrail.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-"}}, pod, false},
		"a prefix longer than it is":   {guardrail.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-b*"}}, pod, false},
		"narrowed by an empty pattern": {guardrail.Exemption{Namespaces: []string{"legacy"}, Names: []string{""}}, batchDeployment("legacy", "a"), false},
	} {
		test.exemption.Until = midnight
		all := guardrail.Exemptions{&test.exemption}
		if got := len(all.For(test.request, now)) == 1; got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
		if len(all.For(test.request, midnight)) > 0 {
			t.Errorf("%s: it has expired", name)
		}
	}
}

// Duplicates of an Exemption, combined, excuse no more than one of them does.
func TestExemptionsAreNotCombined(t *testing.T) {
	all := guardrail.Exemptions{
		{Name: "a", Policies: []string{"image-tag"}, Containers: []string{"app"}},
		{Name: "b", Policies: []string{"require-probes"}},
		{Name: "c", Policies: []string{"image-tag"}, Containers: []string{"a*"}},
	}
	for _, test := range []struct {
		policy, container string
		want              []string
	}{
		{"image-tag", "app", []string{"a", "c"}},
		{"image-tag", "other", nil},
		{"image-tag", "", nil},
		{"require-probes", "other", []string{"b"}},
		{"require-probes", "", []string{"b"}},
		{"min-replicas", "", nil},
	} {
		if diff := cmp.Diff(test.want, all.Excuse(&guardrail.Guardrail{}, test.policy, test.container)); diff != "" {
			t.Errorf("%s of %q:\n%s", test.policy, test.container, diff)
		}
	}
}

// An asterisk is any text, as in a regular expression, and nothing else is special.
func TestPatternsAreThoseOfRegularExpressions(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*.-]{0,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab.-]{1,10}`).Draw(t, "name")
		e := &guardrail.Exemption{Namespaces: []string{"*"}, Names: []string{pattern}, Until: time.Unix(1, 0)}
		got := len(guardrail.Exemptions{e}.For(batchDeployment("x", name), time.Unix(0, 0))) == 1
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(name)
		if got != want {
			t.Fatalf("%q about %q: got %v", pattern, name, got)
		}
	})
}

// A finding that no rule made is excused where every Guardrail that asks for it honours the
// same Exemption.
func TestFindingsOfNoRuleAreExcusedByAllThatAsk(t *testing.T) {
	created := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	never := v1alpha1.GuardrailSpec{Exemptions: &v1alpha1.ExemptionLimits{Never: []string{"a"}}}
	hour := v1alpha1.GuardrailSpec{Exemptions: &v1alpha1.ExemptionLimits{MaxDuration: "1h"}}
	guardrails := guardrail.Set{
		exempting(t, "free", v1alpha1.GuardrailSpec{}, "a", "b"), exempting(t, "hour", hour, "a"), exempting(t, "never", never, "a"),
	}
	exemption := func(name string, until time.Duration, containers ...string) *guardrail.Exemption {
		return &guardrail.Exemption{Name: name, Policies: []string{"a"}, Namespaces: []string{"*"}, Containers: containers, Created: created, Until: created.Add(until)}
	}
	r := batchDeployment("shop", "web")
	all := guardrail.Exemptions{
		exemption("long", 9*time.Hour), exemption("main", 2*time.Hour, "main"), exemption("short", time.Hour),
	}
	for name, c := range map[string]struct {
		policy, container string
		asking            []string
		after             time.Duration
		want              []string
	}{
		"one that asks":                   {"a", "main", []string{"free"}, 0, []string{"long", "main", "short"}},
		"another container":               {"a", "other", []string{"free"}, 0, []string{"long", "short"}},
		"two that ask":                    {"a", "main", []string{"free", "hour"}, 0, []string{"long", "main", "short"}},
		"two of which one honours none":   {"a", "main", []string{"free", "hour"}, time.Hour + 1, nil},
		"two of which the other does not": {"a", "main", []string{"free", "never"}, 0, nil},
		"only the one of two that asks":   {"a", "main", []string{"free"}, time.Hour + 1, []string{"long", "main"}},
		"another policy":                  {"b", "main", []string{"free"}, 0, nil},
		"nobody that asks":                {"a", "main", nil, 0, nil},
	} {
		e := guardrail.Evidence{Request: r, Exemptions: all.For(r, created.Add(c.after)), Extra: []review.Finding{
			{Policy: c.policy, Container: c.container, Guardrails: c.asking, Mode: review.ModeEnforce},
		}}
		for _, g := range guardrails {
			for _, b := range g.Bindings {
				e.Bounds, e.Results = append(e.Bounds, guardrail.Bound{Binding: b, Guardrail: g}), append(e.Results, review.Result{})
			}
		}
		if got := decide(t, e).Findings[0].Exemptions; !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
