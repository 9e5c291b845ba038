package metrics

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestExemptionsAreServedAsTimePasses(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	seven := int64(7)
	all := []Exemption{
		{Name: "a", Until: now.Add(ExpiresSoon + time.Second), Excused: &seven},
		{Name: "b", Until: now.Add(ExpiresSoon)},
		{Name: "c", Until: now},
	}
	registry := prometheus.NewRegistry()
	NewExemptions(registry, func() []Exemption { return all }, func() time.Time { return now })
	want := map[string]float64{"a in_force": 1, "b expiring": 1, "c expired": 1}
	if diff := cmp.Diff(want, counted(t, registry, "taffrail_exemption_state", "exemption", "state")); diff != "" {
		t.Error(diff)
	}
	want = map[string]float64{"a": float64(all[0].Until.Unix()), "b": float64(all[1].Until.Unix()), "c": float64(now.Unix())}
	if diff := cmp.Diff(want, counted(t, registry, "taffrail_exemption_expiry_timestamp_seconds", "exemption")); diff != "" {
		t.Error(diff)
	}
	if got := counted(t, registry, "taffrail_exemption_excused_findings", "exemption"); !maps.Equal(got, map[string]float64{"a": 7}) {
		t.Errorf("got %v", got)
	}
	now = now.Add(2 * time.Second)
	if got := counted(t, registry, "taffrail_exemption_state", "exemption", "state"); got["a expiring"] != 1 || len(got) != 3 {
		t.Errorf("later: got %v", got)
	}
}
