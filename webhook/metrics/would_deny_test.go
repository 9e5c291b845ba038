package metrics

import (
	"fmt"
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Namespaces beyond the limit share a series. Those of a deleted Guardrail have none, and make room for others.
func TestNamespacesOfWouldDenyAreLimited(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewWouldDeny(registry)
	for i := range maxPairs {
		m.Add("first", fmt.Sprint("n-", i), []string{"p", "q"})
	}
	m.Add("first", "n-0", []string{"p"})
	m.Add("first", "late", []string{"p"})
	m.Add("second", "late", []string{"p"})
	m.Add("second", "later", []string{"p"})
	namespaces := func() map[string]float64 {
		return counted(t, registry, "taffrail_would_deny_requests_total", "guardrail", "namespace")
	}
	got := namespaces()
	if len(got) != maxPairs+2 || got["first n-0"] != 2 || got["first *"] != 1 || got["second *"] != 2 {
		t.Errorf("%d series, %v, %v and %v", len(got), got["first n-0"], got["first *"], got["second *"])
	}
	policies := counted(t, registry, "taffrail_would_deny_total", "guardrail", "policy")
	if want := map[string]float64{"first p": maxPairs + 2, "first q": maxPairs, "second p": 2}; !maps.Equal(policies, want) {
		t.Errorf("got %v", policies)
	}

	m.Forget(func(guardrail string) bool { return guardrail == "second" })
	m.Add("second", "late", []string{"p"})
	if got, want := namespaces(), map[string]float64{"second *": 2, "second late": 1}; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := counted(t, registry, "taffrail_would_deny_total", "guardrail", "policy"); !maps.Equal(got, map[string]float64{"second p": 3}) {
		t.Errorf("got %v", got)
	}
}
