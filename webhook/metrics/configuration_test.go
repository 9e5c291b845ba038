package metrics

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestConfigurationIsMeasured(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewConfiguration(registry)
	began := time.Now()
	m.InForce("old", 9, 9)
	m.InForce("new", 2, 5)
	m.NotCompiled()
	m.Problems("Guardrail", 3)
	NewCertificate(registry).Expires(time.Unix(1234, 0))
	if got := counted(t, registry, "taffrail_snapshot_info", "id"); len(got) != 1 || got["new"] != 1 {
		t.Errorf("got %v", got)
	}
	for name, want := range map[string]float64{
		"taffrail_snapshot_guardrails": 2, "taffrail_snapshot_bindings": 5, "taffrail_snapshot_errors_total": 1, "taffrail_certificate_expiry_timestamp_seconds": 1234,
	} {
		if got := counted(t, registry, name); got[""] != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got := counted(t, registry, "taffrail_configuration_problems", "kind"); got["Guardrail"] != 3 {
		t.Errorf("got %v", got)
	}
	if at := counted(t, registry, "taffrail_snapshot_compiled_timestamp_seconds")[""]; at < float64(began.Unix()) {
		t.Errorf("compiled at %v", at)
	}
}

// One of several replicas writes status and reports what is not reached. A replica that is no longer the leader
// reports nothing.
func TestUnreachedIsServedByTheLeaderAlone(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewConfiguration(registry)
	m.Unreached("Guardrail", 2)
	m.Unreached("Policy", 0)
	const name = "taffrail_configuration_unreached"
	if got := counted(t, registry, name, "kind"); len(got) != 2 || got["Guardrail"] != 2 || got["Policy"] != 0 {
		t.Errorf("got %v", got)
	}
	m.ForgetUnreached()
	if got := counted(t, registry, name, "kind"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
