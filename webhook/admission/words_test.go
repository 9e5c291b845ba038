package admission_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
)

// Whoever calls in a way that is no admission review reads why, and whether to come again.
func TestWhyNothingIsAnswered(t *testing.T) {
	allowing := answering(&decision.Decision{Verdict: decision.VerdictAllow})
	for name, c := range map[string]struct {
		decider       admission.Decider
		method, media string
		stop          bool
		status        int
		text, retry   string
		allow         string
		close         bool
	}{
		"another method":     {allowing, http.MethodGet, "application/json", false, http.StatusMethodNotAllowed, "taffrail: use POST\n", "", "POST", true},
		"another media type": {allowing, http.MethodPost, "text/plain", false, http.StatusUnsupportedMediaType, "taffrail: Content-Type must be application/json\n", "", "", true},
		"no media type":      {allowing, http.MethodPost, "", false, http.StatusUnsupportedMediaType, "taffrail: Content-Type must be application/json\n", "", "", true},
		"not ready":          {nil, http.MethodPost, "application/json", false, http.StatusServiceUnavailable, "taffrail: no policies compiled yet\n", "1", "", false},
		"stopped":            {allowing, http.MethodPost, "application/json; charset=utf-8", true, http.StatusServiceUnavailable, "taffrail: stopping\n", "1", "", true},
	} {
		f := start(t, c.decider)
		if c.stop {
			f.handler.Stop()
		}
		a := f.do(c.method, "/validate", c.media, strings.NewReader(body("Deployment", deployment)))
		if a.status != c.status || a.text != c.text || a.header.Get("Retry-After") != c.retry || a.header.Get("Allow") != c.allow || a.close != c.close ||
			a.header.Get("Content-Type") != "text/plain; charset=utf-8" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: HTTP %d, %q, %v, closed: %v", name, a.status, a.text, a.header, a.close)
		}
	}
}

// The metrics are what dashboards and alerts ask for by name.
func TestMetricsAreDescribed(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := admission.NewMetrics(registry)
	m.Snapshot("id", 1, 1)
	m.Problems("Guardrail", 1)
	f := start(t, answering(denied(1)), func(o *admission.Options) { o.Metrics = m })
	f.reviewed(f.post("/validate", body("Deployment", deployment)))
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
		"taffrail_configuration_problems GAUGE [kind]: Guardrails, Exemptions and Policies of which something is wrong, by kind; their status says what.",
		"taffrail_errors_total COUNTER [reason]: Requests answered with an HTTP error, by reason (shed: too many in flight).",
		"taffrail_evaluation_seconds HISTOGRAM [path]: Time from the last byte of a decided request to its answer, by path. [0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1]",
		"taffrail_policy_results_total COUNTER [mode outcome policy]: Findings and fills by policy, mode and outcome (denied, warned, recorded, tolerated, exempted, unknown, error, filled, suggested, left). Dry runs are left out.",
		"taffrail_requests_total COUNTER [operation path verdict]: Admission requests by path, operation and verdict (allow, warn, unknown, deny, error).",
		"taffrail_snapshot_bindings GAUGE []: Policy bindings in force.",
		"taffrail_snapshot_compiled_timestamp_seconds GAUGE []: When the configuration in force was compiled.",
		"taffrail_snapshot_errors_total COUNTER []: Configurations that did not compile; the one before stays in force.",
		"taffrail_snapshot_guardrails GAUGE []: Guardrails in force.",
		"taffrail_snapshot_info GAUGE [id]: 1 for the id of the configuration in force. Replicas that agree show the same id.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
