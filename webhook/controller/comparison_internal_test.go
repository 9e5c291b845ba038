package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// password must not be logged.
const password = "hunter2-swordfish"

// evaluation returns an evaluation of one Policy that denies a Secret.
func evaluation(t *testing.T) *pipeline.Evaluation {
	t.Helper()
	library, err := rego.Load(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	catalog, bad := library.With(map[string]string{
		"p": "# METADATA\n# title: t\n# description: d\n# custom:\n#   id: p\n#   severity: low\n#   kinds: [Secret]\n#   remediation: r\npackage taffrail.user.p\n\n" +
			`deny contains {"msg": "m", "path": "data"} if input.object.data.a`,
	})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	program, err := rego.Compile(catalog, []rego.Instance{{Policy: "p", Parameters: map[string]any{}}})
	if err != nil {
		t.Fatal(err)
	}
	r := &decision.Request{
		Operation: decision.Create, Kind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Name: "s", Namespace: decision.Namespace{Name: "shop"},
		Object: map[string]any{"kind": "Secret", "metadata": map[string]any{"name": "s"}, "data": map[string]any{"a": password}},
	}
	results, err := program.Evaluate(t.Context(), r, []int{0}, rego.Deny)
	if err != nil || len(results[0].Violations) != 1 {
		t.Fatal(results, err)
	}
	return &pipeline.Evaluation{Program: program, Request: r, Instances: []int{0}, Part: rego.Deny, Results: results}
}

func newTestComparison(share float64, log logr.Logger) (*comparison, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	return newComparison(comparisonOptions{
		share: share, random: func() float64 { return 0.5 }, metrics: metrics.NewComparisons(registry), log: log,
	}), registry
}

func counts(t *testing.T, registry *prometheus.Registry, want string) {
	t.Helper()
	var lines strings.Builder
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if m.GetCounter().GetValue() > 0 {
				lines.WriteString(strings.TrimPrefix(family.GetName(), "taffrail_engine_") + " " + m.GetLabel()[0].GetValue() + "\n")
			}
		}
	}
	if got := lines.String(); got != want {
		t.Errorf("counted\n%s\nwant\n%s", got, want)
	}
}

// A difference is counted, and logged without anything of the object but its identity.
func TestADifferenceBetweenEnginesIsReported(t *testing.T) {
	var log strings.Builder
	c, registry := newTestComparison(1, funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{}))
	c.compare(t.Context(), evaluation(t))
	counts(t, registry, "comparisons_total p\n")
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}

	e := evaluation(t)
	e.Results[0].Violations[0].Message = password
	c.compare(t.Context(), e)
	counts(t, registry, "comparisons_total p\ndifferences_total p\n")
	for _, want := range []string{`"policy"="p"`, `"kind"="Secret"`, `"namespace"="shop"`, `"name"="s"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("logged %s without %s", log.String(), want)
		}
	}
	if strings.Contains(log.String(), password) {
		t.Errorf("logged %s", log.String())
	}
}

func TestAShareOfEvaluationsIsCompared(t *testing.T) {
	for share, want := range map[float64]int{0.5: 0, 0.51: 1} {
		c, _ := newTestComparison(share, logr.Discard())
		c.Evaluated(evaluation(t))
		if len(c.queue) != want {
			t.Errorf("%v: %d are waiting", share, len(c.queue))
		}
	}
}

// A request never waits: what does not fit is dropped and counted, and what was compared makes room.
func TestTheQueueOfComparisonsIsBounded(t *testing.T) {
	c, registry := newTestComparison(1, logr.Discard())
	e := evaluation(t)
	for range maxWaiting {
		c.Evaluated(e)
	}
	counts(t, registry, "")
	c.Evaluated(e)
	counts(t, registry, "comparisons_dropped_total full\n")
	if len(c.queue) != maxWaiting {
		t.Errorf("%d are waiting", len(c.queue))
	}

	c, registry = newTestComparison(1, logr.Discard())
	large := evaluation(t)
	large.Request.OldObject = map[string]any{"a": []any{strings.Repeat("a", maxWaitingBytes-1000)}}
	c.Evaluated(large)
	c.Evaluated(large)
	counts(t, registry, "comparisons_dropped_total full\n")
	if len(c.queue) != 1 {
		t.Errorf("%d are waiting", len(c.queue))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		c.run(ctx)
		close(done)
	}()
	eventually(t, "the comparison", func() bool { return c.bytes.Load() == 0 })
	cancel()
	<-done
	counts(t, registry, "comparisons_dropped_total full\ncomparisons_total p\n")
	c.Evaluated(large)
	if len(c.queue) != 1 {
		t.Error("what was compared left no room")
	}
}

// A small object may keep a large body in memory.
func TestAComparisonCountsTheBodyThatItKeeps(t *testing.T) {
	c, registry := newTestComparison(1, logr.Discard())
	e := evaluation(t)
	e.Request.BodyBytes = maxWaitingBytes + 1
	c.Evaluated(e)
	counts(t, registry, "comparisons_dropped_total full\n")
}

// What is compared does not change with the request, which goes on.
func TestAComparisonOwnsWhatItCompares(t *testing.T) {
	e := evaluation(t)
	e.Request.Workload = &decision.Workload{}
	copied := own(e)
	e.Request.Name, e.Request.Workload.Refusals, e.Results[0].Violations = "other", []decision.Refusal{{}}, nil
	if copied.Request.Name != "s" || copied.Request.Workload.Refusals != nil || len(copied.Results[0].Violations) != 1 {
		t.Errorf("got %+v", copied)
	}
}

// A defect in an engine ends one comparison, not the process, and its text is dropped.
func TestAComparisonMayPanic(t *testing.T) {
	var log strings.Builder
	c, registry := newTestComparison(1, funcr.New(func(_, args string) { log.WriteString(args) }, funcr.Options{}))
	e := evaluation(t)
	e.Results = nil // Compare looks for the first
	c.compare(t.Context(), e)
	counts(t, registry, "comparisons_dropped_total failed\n")
	if !strings.Contains(log.String(), "panic") || strings.Contains(log.String(), password) {
		t.Errorf("logged %s", log.String())
	}
	if text := newPanicError("cannot read " + password).Error(); strings.Contains(text, password) {
		t.Errorf("a panic is logged as %s", text)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopping"))
	c, registry = newTestComparison(1, logr.Discard())
	c.compare(ctx, evaluation(t))
	counts(t, registry, "comparisons_dropped_total failed\n")
}
