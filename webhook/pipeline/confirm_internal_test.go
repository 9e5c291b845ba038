package pipeline

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// freshly is a fresh source of facts that records what is read.
type freshly struct {
	labels map[string]string
	facts  decision.Facts
	err    map[string]error
	asked  []string
}

func (f *freshly) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	f.asked = append(f.asked, "namespace "+name)
	return decision.Namespace{Name: name, Labels: f.labels, Known: true}, f.err["namespace"]
}

func (f *freshly) Facts(_ context.Context, namespace string, _ []decision.Fact) (decision.Facts, error) {
	f.asked = append(f.asked, "facts "+namespace)
	return f.facts, f.err["facts"]
}

// A decision is confirmed if what it depends on has not changed. Labels are read only if a Guardrail selects by
// them, and facts only if they were not read for this request.
func TestWhatADecisionRestsOnIsConfirmed(t *testing.T) {
	limits := func(version string) []*corev1.LimitRange {
		return []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{UID: "l", ResourceVersion: version}}}
	}
	bound := func(spec v1alpha1.GuardrailSpec) []config.AppliedBinding {
		g, err := config.NewGuardrail(&v1alpha1.Guardrail{Spec: spec}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return []config.AppliedBinding{{Guardrail: g, Binding: config.Binding{Policy: &rego.Policy{ID: "p"}}}}
	}
	byLabel := v1alpha1.GuardrailSpec{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}
	away := errors.New("away")
	wanted := []decision.Fact{decision.FactLimitRanges, decision.FactResourceQuotas}
	for name, c := range map[string]struct {
		spec    v1alpha1.GuardrailSpec
		wanted  []decision.Fact
		request decision.Request
		fresh   freshly
		same    bool
		err     error
		asked   int
	}{
		"nothing to confirm":      {v1alpha1.GuardrailSpec{}, nil, decision.Request{}, freshly{}, true, nil, 0},
		"the same facts":          {v1alpha1.GuardrailSpec{}, wanted, decision.Request{Facts: decision.Facts{LimitRanges: limits("1")}}, freshly{facts: decision.Facts{LimitRanges: limits("1")}}, true, nil, 1},
		"another version":         {v1alpha1.GuardrailSpec{}, wanted, decision.Request{Facts: decision.Facts{LimitRanges: limits("1")}}, freshly{facts: decision.Facts{LimitRanges: limits("2")}}, false, nil, 1},
		"one more":                {v1alpha1.GuardrailSpec{}, wanted, decision.Request{}, freshly{facts: decision.Facts{LimitRanges: limits("1")}}, false, nil, 1},
		"one that is not wanted":  {v1alpha1.GuardrailSpec{}, wanted[1:], decision.Request{}, freshly{facts: decision.Facts{LimitRanges: limits("1")}}, true, nil, 1},
		"facts of this request":   {v1alpha1.GuardrailSpec{}, wanted, decision.Request{Facts: decision.Facts{Fresh: true}}, freshly{err: map[string]error{"facts": away}}, true, nil, 0},
		"facts that are unknown":  {v1alpha1.GuardrailSpec{}, wanted, decision.Request{}, freshly{err: map[string]error{"facts": away}}, false, away, 1},
		"the same labels":         {byLabel, nil, decision.Request{}, freshly{labels: map[string]string{"a": "b"}}, true, nil, 1},
		"other labels":            {byLabel, wanted, decision.Request{}, freshly{labels: map[string]string{"a": "c"}}, false, nil, 1},
		"labels, then facts":      {byLabel, wanted, decision.Request{}, freshly{labels: map[string]string{"a": "b"}}, true, nil, 2},
		"labels that are unknown": {byLabel, wanted, decision.Request{}, freshly{err: map[string]error{"namespace": away}}, false, away, 1},
	} {
		r := c.request
		r.Namespace = decision.Namespace{Name: "shop", Known: true, Labels: map[string]string{"a": "b"}}
		b := &basis{request: &r, bindings: bound(c.spec)}
		same, err := b.confirmed(t.Context(), &c.fresh, c.wanted)
		if same != c.same || !errors.Is(err, c.err) || err != nil && c.err == nil || len(c.fresh.asked) != c.asked {
			t.Errorf("%s: got %v, %v, asked %q", name, same, err, c.fresh.asked)
		}
	}
	cluster := &basis{request: &decision.Request{}, bindings: bound(byLabel)}
	if same, err := cluster.confirmed(t.Context(), &freshly{err: map[string]error{"namespace": away}}, nil); !same || err != nil {
		t.Errorf("of what is in no namespace: got %v, %v", same, err)
	}
	namespace := &basis{request: &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, Name: "shop"}, bindings: bound(v1alpha1.GuardrailSpec{})}
	fresh := &freshly{}
	if _, err := namespace.confirmed(t.Context(), fresh, wanted); err != nil || len(fresh.asked) != 1 || fresh.asked[0] != "facts shop" {
		t.Errorf("of a Namespace: asked %q, %v", fresh.asked, err)
	}
}

// Only the facts that denying policies read are read again.
func TestFactsOfWhatDenies(t *testing.T) {
	policy := func(id string, facts ...decision.Fact) config.AppliedBinding {
		return config.AppliedBinding{Binding: config.Binding{Policy: &rego.Policy{ID: id, Facts: facts}}}
	}
	b := &basis{
		wanted:   []decision.Fact{decision.FactLimitRanges, decision.FactResourceQuotas, decision.FactClaims},
		bindings: []config.AppliedBinding{policy("limits", decision.FactLimitRanges), policy("quotas", decision.FactResourceQuotas, decision.FactLimitRanges), policy("none")},
	}
	for name, c := range map[string]struct {
		findings []decision.Finding
		want     int
	}{
		"none": {nil, 0}, "one": {[]decision.Finding{{Policy: "limits", Mode: decision.ModeEnforce}}, 1}, "two facts": {[]decision.Finding{{Policy: "quotas", Mode: decision.ModeEnforce}}, 2},
		"one that reads nothing": {[]decision.Finding{{Policy: "none", Mode: decision.ModeEnforce}}, 0}, "one that warns": {[]decision.Finding{{Policy: "limits", Mode: decision.ModeWarn}}, 0},
	} {
		if got := factsOf(b, &decision.Decision{Findings: c.findings}); len(got) != c.want || len(b.wanted) != 3 {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// unreadableJob has a CronJob that can be read only in part.
type unreadableJob struct {
	Live
	cronJob map[string]any
	err     error
}

func (u unreadableJob) CronJob(context.Context, string, string) (map[string]any, error) {
	return u.cronJob, u.err
}

// A Job inherits from its CronJob what was decided there, and nothing if that cannot be determined.
func TestWhatAJobHasFromACronJobThatCannotBeDecided(t *testing.T) {
	owner := map[string]any{"metadata": map[string]any{"ownerReferences": []any{map[string]any{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "1", "controller": true}}}, "spec": map[string]any{}}
	r := &decision.Request{Operation: decision.Create, Kind: jobKind, Object: owner}
	cronJob := func(spec map[string]any) map[string]any {
		return map[string]any{"metadata": map[string]any{"name": "nightly", "uid": "1"}, "spec": spec}
	}
	odd := map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": "x"}}}}}
	away := errors.New("away")
	pods := []config.AppliedBinding{{Binding: config.Binding{Policy: &rego.Policy{ID: "p", Kinds: []schema.GroupKind{{Kind: "Pod"}}}}}}
	for name, c := range map[string]struct {
		live    unreadableJob
		err     error
		decides bool // whether the Job's fields count as the CronJob's, though nothing in it was decided
	}{
		"away":                {unreadableJob{err: away}, away, false},
		"gone":                {unreadableJob{}, nil, false},
		"odd":                 {unreadableJob{cronJob: cronJob(odd)}, nil, true},
		"of no binding":       {unreadableJob{cronJob: cronJob(map[string]any{})}, nil, true},
		"another of its name": {unreadableJob{cronJob: map[string]any{"metadata": map[string]any{"uid": "2"}}}, nil, false},
	} {
		restored, err := New(&config.Snapshot{}, nil, Options{Live: c.live}).madeFromCronJob(t.Context(), r, pods)
		if !errors.Is(err, c.err) || (restored.why != "") != c.decides || c.decides && (restored.cronJob == nil || restored.cronJob.hasFinding(&candidate{finding: decision.Finding{Path: "spec"}})) {
			t.Errorf("%s: got %+v, %v", name, restored, err)
		}
	}
}
