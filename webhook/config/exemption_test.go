package config_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

func batchDeployment(namespace, name string) *decision.Request {
	return &decision.Request{
		Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Name: name, Namespace: decision.Namespace{Name: namespace, Known: true},
	}
}

func TestExemptionIsAbout(t *testing.T) {
	now := time.Date(2027, 1, 31, 23, 59, 59, 0, time.UTC)
	midnight := now.Add(time.Second)
	pod := &decision.Request{
		Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, GenerateName: "batch-", Namespace: decision.Namespace{Name: "legacy"},
	}
	namespace := &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, Name: "legacy"}
	node := &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Node"}, Name: "legacy"}
	for name, test := range map[string]struct {
		exemption config.Exemption
		request   *decision.Request
		want      bool
	}{
		"its namespace":                {config.Exemption{Namespaces: []string{"legacy"}}, batchDeployment("legacy", "batch-a"), true},
		"another namespace":            {config.Exemption{Namespaces: []string{"legacy"}}, batchDeployment("legacy-2", "batch-a"), false},
		"any namespace":                {config.Exemption{Namespaces: []string{"*"}}, batchDeployment("x", "batch-a"), true},
		"no namespace":                 {config.Exemption{}, batchDeployment("legacy", "batch-a"), false},
		"a Namespace is in itself":     {config.Exemption{Namespaces: []string{"legacy"}}, namespace, true},
		"a Node is in none":            {config.Exemption{Namespaces: []string{"legacy"}}, node, false},
		"a Node is in any":             {config.Exemption{Namespaces: []string{"*"}}, node, true},
		"a kind of any group":          {config.Exemption{Namespaces: []string{"legacy"}, Kinds: []config.Kind{{GroupKind: schema.GroupKind{Kind: "Deployment"}, Any: true}}}, batchDeployment("legacy", "a"), true},
		"a kind of another group":      {config.Exemption{Namespaces: []string{"legacy"}, Kinds: []config.Kind{{GroupKind: schema.GroupKind{Kind: "Deployment"}}}}, batchDeployment("legacy", "a"), false},
		"another kind":                 {config.Exemption{Namespaces: []string{"legacy"}, Kinds: []config.Kind{{GroupKind: schema.GroupKind{Kind: "Pod"}, Any: true}}}, batchDeployment("legacy", "a"), false},
		"a name":                       {config.Exemption{Namespaces: []string{"legacy"}, Names: []string{"x", "batch-*"}}, batchDeployment("legacy", "batch-a"), true},
		"another name":                 {config.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-*"}}, batchDeployment("legacy", "a-batch-a"), false},
		"any name that may be made":    {config.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-*"}}, pod, true},
		"some name that may be made":   {config.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-*-a"}}, pod, false},
		"a name that may be made":      {config.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-abcde"}}, pod, false},
		"the prefix is no name":        {config.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-"}}, pod, false},
		"a prefix longer than it is":   {config.Exemption{Namespaces: []string{"legacy"}, Names: []string{"batch-b*"}}, pod, false},
		"narrowed by an empty pattern": {config.Exemption{Namespaces: []string{"legacy"}, Names: []string{""}}, batchDeployment("legacy", "a"), false},
	} {
		test.exemption.Until = midnight
		all := config.Exemptions{&test.exemption}
		if got := len(all.For(test.request, now)) == 1; got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
		if len(all.For(test.request, midnight)) > 0 {
			t.Errorf("%s: it has expired", name)
		}
	}
}

// Duplicates of an Exemption together exempt no more than one of them.
func TestExemptionsAreNotCombined(t *testing.T) {
	all := config.Exemptions{
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
		if diff := cmp.Diff(test.want, all.Exempting(&config.Guardrail{}, test.policy, test.container)); diff != "" {
			t.Errorf("%s of %q:\n%s", test.policy, test.container, diff)
		}
	}
}

// An asterisk matches any text, as in a regular expression, and no other character is special.
func TestPatternsAreThoseOfRegularExpressions(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*.-]{0,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab.-]{1,10}`).Draw(t, "name")
		e := &config.Exemption{Namespaces: []string{"*"}, Names: []string{pattern}, Until: time.Unix(1, 0)}
		got := len(config.Exemptions{e}.For(batchDeployment("x", name), time.Unix(0, 0))) == 1
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(name)
		if got != want {
			t.Fatalf("%q about %q: got %v", pattern, name, got)
		}
	})
}
