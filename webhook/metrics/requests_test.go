package metrics

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
)

// Each outcome of a finding and of a fill is counted once, under its name, and no label contains text from a
// caller.
func TestDecisionsAreCounted(t *testing.T) {
	finding := func(change func(*decision.Finding)) decision.Finding {
		f := decision.Finding{Policy: "p", Mode: decision.ModeEnforce}
		change(&f)
		return f
	}
	d := &decision.Decision{
		Findings: []decision.Finding{
			finding(func(*decision.Finding) {}), finding(func(f *decision.Finding) { f.Mode = decision.ModeWarn }), finding(func(f *decision.Finding) { f.Mode = decision.ModeAudit }),
			finding(func(f *decision.Finding) { f.Tolerated = "as before" }), finding(func(f *decision.Finding) { f.Exemptions = []string{"e"} }),
		},
		Fills: []decision.Fill{
			{Policy: "q", Mode: decision.ModeEnforce}, {Policy: "q", Mode: decision.ModeWarn}, {Policy: "q", Mode: decision.ModeAudit, SkipReason: "it is older"},
		},
		Errors: map[string]error{"broken": errors.New("broken")},
	}
	for _, test := range []struct {
		path    string
		dry     bool
		results map[string]float64 // by policy, mode and outcome
	}{
		{admission.ValidatePath, false, map[string]float64{
			"p enforce denied": 1, "p warn warned": 1, "p audit recorded": 1, "p enforce tolerated": 1, "p enforce exempted": 1, "broken  error": 1,
		}},
		{admission.MutatePath, false, map[string]float64{"q enforce filled": 1, "q warn suggested": 1, "q audit left": 1, "broken  error": 1}},
		{admission.ValidatePath, true, map[string]float64{}}, {admission.MutatePath, true, map[string]float64{}},
	} {
		registry := prometheus.NewRegistry()
		m := NewRequests(registry)
		m.Observe(&admission.Observation{Path: test.path, Request: &decision.Request{Operation: decision.Update, DryRun: test.dry}, Decision: d, Verdict: decision.VerdictDeny, Duration: time.Second})
		got := counted(t, registry, "taffrail_policy_results_total", "policy", "mode", "outcome")
		if fmt.Sprint(got) != fmt.Sprint(test.results) {
			t.Errorf("%s, dry run: %v: got %v, want %v", test.path, test.dry, got, test.results)
		}
		if got := counted(t, registry, "taffrail_requests_total", "path", "operation", "verdict"); len(got) != 1 || got[test.path+" UPDATE deny"] != 1 {
			t.Errorf("got %v", got)
		}
		if got := counted(t, registry, "taffrail_evaluation_seconds", "path"); got[test.path] != 1 {
			t.Errorf("got %v", got)
		}
	}
}

func TestFailuresAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewRequests(registry)
	shed := func(r *decision.Request, d *decision.Decision) {
		m.Observe(&admission.Observation{Path: admission.ValidatePath, Request: r, Decision: d, Err: errors.New("shed"), Reason: "shed"})
	}
	shed(nil, nil)
	for _, operation := range []decision.Operation{decision.Create, decision.Update, "DELETE", "CONNECT", "whatever a caller writes"} {
		shed(&decision.Request{Operation: operation}, &decision.Decision{Errors: map[string]error{"broken": errors.New("broken")}})
	}
	want := map[string]float64{"/validate  error": 1, "/validate CREATE error": 1, "/validate UPDATE error": 1, "/validate OTHER error": 3}
	if got := counted(t, registry, "taffrail_requests_total", "path", "operation", "verdict"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v", got)
	}
	if got := counted(t, registry, "taffrail_errors_total", "reason"); len(got) != len(admission.Reasons()) || got["shed"] != 6 || got["slow"] != 0 {
		t.Errorf("got %v", got)
	}
	if got := counted(t, registry, "taffrail_policy_results_total", "policy", "mode", "outcome"); got["broken  error"] != 5 {
		t.Errorf("got %v", got)
	}
}

// counted returns the values of a metric by its labels.
func counted(t *testing.T, registry *prometheus.Registry, name string, labels ...string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		if family.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		for _, m := range family.GetMetric() {
			values := map[string]string{}
			for _, pair := range m.GetLabel() {
				values[pair.GetName()] = pair.GetValue()
			}
			key := make([]string, len(labels))
			for i, label := range labels {
				key[i] = values[label]
			}
			all[strings.Join(key, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}
