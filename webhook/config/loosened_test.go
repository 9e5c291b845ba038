package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// exempting returns a Guardrail that enforces policies about Deployments.
func exempting(t interface{ Fatal(...any) }, name string, spec v1alpha1.GuardrailSpec, policies ...string) *config.Guardrail {
	var bindings []config.Binding
	for _, id := range policies {
		policy := &rego.Policy{ID: id, Kinds: []schema.GroupKind{{Group: "apps", Kind: "Deployment"}, {Kind: "Pod"}}}
		bindings = append(bindings, config.Binding{Policy: policy, Mode: decision.ModeEnforce})
	}
	g, err := config.NewGuardrail(&v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, bindings)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestWhatAnExemptionLoosens(t *testing.T) {
	set := config.Guardrails{
		exempting(t, "all", v1alpha1.GuardrailSpec{ExcludeNamespaces: []string{"kube-system"}}, "a", "b"),
		exempting(t, "team", v1alpha1.GuardrailSpec{NamespaceSelector: selecting("team", "x")}, "a", "c"),
	}
	namespaces := map[string]decision.Namespace{
		"shop": {Name: "shop", Known: true}, "x": {Name: "x", Known: true, Labels: map[string]string{"team": "x"}},
		"kube-system": {Name: "kube-system", Known: true},
	}
	namespaceOf := func(name string) decision.Namespace {
		if namespace, known := namespaces[name]; known {
			return namespace
		}
		return decision.Namespace{Name: name}
	}
	now := time.Unix(1000, 0)
	is := func(policies, namespaces string, change ...func(*config.Exemption)) *config.Exemption {
		e := &config.Exemption{Policies: strings.Fields(policies), Namespaces: strings.Fields(namespaces), Until: now.Add(time.Hour)}
		for _, c := range change {
			c(e)
		}
		return e
	}
	until := func(d time.Duration) func(*config.Exemption) {
		return func(e *config.Exemption) { e.Until = now.Add(d) }
	}
	kinds := func(texts ...string) func(*config.Exemption) {
		return func(e *config.Exemption) {
			for _, text := range texts {
				e.Kinds = append(e.Kinds, config.Kind{GroupKind: schema.ParseGroupKind(text), Any: !strings.Contains(text, ".")})
			}
		}
	}
	names := func(patterns ...string) func(*config.Exemption) {
		return func(e *config.Exemption) { e.Names = patterns }
	}
	containers := func(patterns ...string) func(*config.Exemption) {
		return func(e *config.Exemption) { e.Containers = patterns }
	}
	all := []string{"shop all a"}
	for name, test := range map[string]struct {
		after, before *config.Exemption
		want          []string
	}{
		"every kind after one":        {is("a", "shop"), is("a", "shop", kinds("Pod")), all},
		"one kind of every":           {is("a", "shop", kinds("Pod")), is("a", "shop"), nil},
		"another kind than before":    {is("a", "shop", kinds("Pod")), is("a", "shop", kinds("Deployment.apps")), all},
		"one kind of two":             {is("a", "shop", kinds("Pod")), is("a", "shop", kinds("Deployment.apps", "Pod")), nil},
		"a kind more":                 {is("a", "shop", kinds("Pod", "Deployment.apps")), is("a", "shop", kinds("Pod")), all},
		"a kind of one group":         {is("a", "shop", kinds("Deployment.apps")), is("a", "shop", kinds("Deployment")), nil},
		"a kind of any group":         {is("a", "shop", kinds("Deployment")), is("a", "shop", kinds("Deployment.apps")), all},
		"every name after one":        {is("a", "shop"), is("a", "shop", names("web")), all},
		"one name of every":           {is("a", "shop", names("web")), is("a", "shop"), nil},
		"one name of a pattern":       {is("a", "shop", names("web-1")), is("a", "shop", names("web-*")), nil},
		"a pattern after a name":      {is("a", "shop", names("web-*")), is("a", "shop", names("web-1")), all},
		"every container after one":   {is("a", "shop"), is("a", "shop", containers("main")), all},
		"one container of every":      {is("a", "shop", containers("main")), is("a", "shop"), nil},
		"another container":           {is("a", "shop", containers("main", "side")), is("a", "shop", containers("main")), all},
		"one more of two, in neither": {is("a b", "kube-system"), is("a", "kube-system"), []string{"kube-system  b"}},
		"one namespace":               {is("a", "shop"), nil, []string{"shop all a"}},
		"selected by two":             {is("a c", "x"), nil, []string{"x all a", "x team a,c"}},
		"unknown, so by any":          {is("a", "new"), nil, []string{"new all a", "new team a"}},
		"every namespace":             {is("a b", "*"), nil, []string{" all a,b", " team a"}},
		"excluded: whichever comes":   {is("a", "kube-system"), nil, []string{"kube-system  a"}},
		"bound by none there":         {is("b c", "shop"), nil, []string{"shop all b", "shop  c"}},
		"another kind": {is("a", "shop", func(e *config.Exemption) {
			e.Kinds = []config.Kind{{GroupKind: schema.GroupKind{Kind: "Service"}}}
		}), nil, []string{"shop  a"}},
		"over":                    {is("a", "shop", until(0)), nil, nil},
		"as it was":               {is("a", "shop"), is("a", "shop"), nil},
		"shorter":                 {is("a", "shop", until(time.Minute)), is("a", "shop"), nil},
		"longer":                  {is("a", "shop", until(2*time.Hour)), is("a", "shop"), []string{"shop all a"}},
		"one policy more":         {is("a b", "shop"), is("a", "shop"), []string{"shop all b"}},
		"one namespace more":      {is("a b", "shop x"), is("a b", "shop"), []string{"x all a,b", "x team a"}},
		"one of all":              {is("a", "shop"), is("a b", "*"), nil},
		"all of one":              {is("a", "*"), is("a", "shop x"), []string{" all a", " team a"}},
		"it had expired":          {is("a", "shop"), is("a", "shop", until(-time.Second)), []string{"shop all a"}},
		"and is not brought back": {is("a b", "shop", until(-time.Second)), is("a", "shop", until(-time.Second)), nil},
	} {
		var got []string
		for _, l := range set.Loosened(test.after, test.before, namespaceOf, now) {
			got = append(got, fmt.Sprintf("%s %s %s", l.Namespace, l.Guardrail, strings.Join(l.Policies, ",")))
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// If nothing is loosened, then nothing is newly exempted, for any object, container and time.
func TestWhatNeedsNoRightExcusesNoMore(t *testing.T) {
	check := func(t *rapid.T) {
		text := rapid.StringMatching(`[ab*]{0,4}`)
		some := func(of *rapid.Generator[string], least int, name string) []string {
			return rapid.SliceOfNDistinct(of, least, 2, rapid.ID[string]).Draw(t, name)
		}
		kind := rapid.Custom(func(t *rapid.T) config.Kind {
			return config.Kind{
				GroupKind: schema.GroupKind{Group: rapid.SampledFrom([]string{"", "apps"}).Draw(t, "group"), Kind: rapid.SampledFrom([]string{"Pod", "Deployment"}).Draw(t, "kind")},
				Any:       rapid.Bool().Draw(t, "any"),
			}
		})
		exemption := func(name string) *config.Exemption {
			namespaces := some(rapid.SampledFrom([]string{"shop", "x"}), 1, "namespaces")
			if rapid.Bool().Draw(t, "everywhere") {
				namespaces = []string{"*"}
			}
			return &config.Exemption{
				Name: name, Policies: some(rapid.SampledFrom([]string{"a", "b"}), 1, "policies"), Namespaces: namespaces,
				Kinds: rapid.SliceOfN(kind, 0, 2).Draw(t, "kinds"), Names: some(text, 0, "names"), Containers: some(text, 0, "containers"),
				Until: time.Unix(rapid.Int64Range(0, 3).Draw(t, "until"), 0),
			}
		}
		before, after := exemption("e"), exemption("e")
		set := config.Guardrails{exempting(t, "all", v1alpha1.GuardrailSpec{}, "a", "b")}
		known := func(name string) decision.Namespace { return decision.Namespace{Name: name, Known: true} }
		if len(set.Loosened(after, before, known, time.Unix(0, 0))) > 0 {
			return
		}
		for range 20 {
			r := &decision.Request{
				Kind: kind.Draw(t, "of").WithVersion("v1"), Name: rapid.StringMatching(`[ab]{0,5}`).Draw(t, "name"), GenerateName: "ab",
				Namespace: known(rapid.SampledFrom([]string{"shop", "x", "y"}).Draw(t, "namespace")),
			}
			if r.Kind.Kind == "Deployment" {
				r.Kind.Group = "apps"
			} else {
				r.Kind.Group = ""
			}
			now := time.Unix(rapid.Int64Range(0, 3).Draw(t, "now"), 0)
			policy, container := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "policy"), rapid.StringMatching(`[ab]{0,3}`).Draw(t, "container")
			excuses := func(e *config.Exemption) bool {
				return len(config.Exemptions{e}.For(r, now).Exempting(set[0], policy, container)) > 0
			}
			if excuses(after) && !excuses(before) {
				t.Fatalf("%+v excuses %s of container %q of %+v, and before: %+v", after, policy, container, r, before)
			}
		}
	}
	property.Check(t, check)
}

// A Guardrail honors an Exemption for a limited time from its creation, and for some policies not at all.
func TestGuardrailsLimitExemptions(t *testing.T) {
	created := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	hour := &v1alpha1.ExemptionLimits{MaxDuration: "1h", Never: []string{"b"}}
	for name, test := range map[string]struct {
		limits  *v1alpha1.ExemptionLimits
		policy  string
		created time.Time
		until   time.Duration
		now     time.Duration
		want    bool
	}{
		"no limits":                      {nil, "a", created, 48 * time.Hour, 47 * time.Hour, true},
		"within":                         {hour, "a", created, 48 * time.Hour, 59 * time.Minute, true},
		"at the limit":                   {hour, "a", created, 48 * time.Hour, time.Hour, false},
		"its own end comes first":        {hour, "a", created, 30 * time.Minute, 30 * time.Minute, false},
		"never":                          {hour, "b", created, 30 * time.Minute, 0, false},
		"never, without limit":           {&v1alpha1.ExemptionLimits{Never: []string{"a"}}, "a", created, time.Hour, 0, false},
		"from a file":                    {hour, "a", time.Time{}, 30 * time.Minute, 0, true},
		"from a file, too long":          {hour, "a", time.Time{}, 2 * time.Hour, 0, false},
		"a duration that does not parse": {&v1alpha1.ExemptionLimits{MaxDuration: "x"}, "a", created, 48 * time.Hour, 0, true},
	} {
		g := exempting(t, "g", v1alpha1.GuardrailSpec{Exemptions: test.limits}, "a", "b")
		e := &config.Exemption{Name: "e", Policies: []string{"a", "b"}, Namespaces: []string{"shop"}, Created: test.created, Until: created.Add(test.until)}
		all := config.Exemptions{e}.For(batchDeployment("shop", "x"), created.Add(test.now))
		if got := len(all.Exempting(g, test.policy, "")) > 0; got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
		if e.At != (time.Time{}) {
			t.Errorf("%s: the Exemption was changed", name)
		}
	}
}
