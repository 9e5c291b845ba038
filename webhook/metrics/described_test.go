package metrics

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
)

// Dashboards and alerts refer to metrics by name.
func TestMetricsAreDescribed(t *testing.T) {
	registry := prometheus.NewRegistry()
	configuration := NewConfiguration(registry)
	configuration.InForce("id", 1, 1)
	configuration.Problems("Guardrail", 1)
	NewCertificate(registry)
	NewRequests(registry).Observe(&admission.Observation{
		Path: admission.ValidatePath, Request: &decision.Request{Operation: decision.Create}, Verdict: decision.VerdictDeny,
		Decision: &decision.Decision{Findings: []decision.Finding{{Policy: "p", Mode: decision.ModeEnforce}}},
	})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, family := range families {
		var labels []string
		metric := family.GetMetric()[0]
		for _, pair := range metric.GetLabel() {
			labels = append(labels, pair.GetName())
		}
		line := fmt.Sprintf("%s %s %s: %s", family.GetName(), family.GetType(), labels, family.GetHelp())
		if histogram := metric.GetHistogram(); histogram != nil {
			var bounds []float64
			for _, bucket := range histogram.GetBucket() {
				bounds = append(bounds, bucket.GetUpperBound())
			}
			line += fmt.Sprint(" ", bounds)
		}
		got = append(got, line)
	}
	want := []string{
		"taffrail_certificate_expiry_timestamp_seconds GAUGE []: When the serving certificate expires.",
		"taffrail_configuration_problems GAUGE [kind]: Guardrails, Exemptions and Policies that have a problem, by kind; their status names it.",
		"taffrail_errors_total COUNTER [reason]: Requests answered with an HTTP error, by reason (shed: too many in flight).",
		"taffrail_evaluation_seconds HISTOGRAM [path]: Time from the last byte of a decided request to its answer, by path. [0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1]",
		"taffrail_policy_results_total COUNTER [mode outcome policy]: Findings and fills by policy, mode and outcome (denied, warned, recorded, tolerated, exempted, unknown, error, filled, suggested, left). Dry runs are left out.",
		"taffrail_requests_total COUNTER [operation path verdict]: Admission requests by path, operation and verdict (allow, warn, unknown, deny, error).",
		"taffrail_snapshot_bindings GAUGE []: Policy bindings in force.",
		"taffrail_snapshot_compiled_timestamp_seconds GAUGE []: When the configuration in force was compiled.",
		"taffrail_snapshot_errors_total COUNTER []: Configurations that did not compile; the previous one stays in force.",
		"taffrail_snapshot_guardrails GAUGE []: Guardrails in force.",
		"taffrail_snapshot_info GAUGE [id]: 1 for the id of the configuration in force. Replicas that agree show the same id.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
