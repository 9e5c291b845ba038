package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// ClusterScoped is the namespace of objects that are in none. It cannot be a namespace's name.
	ClusterScoped = "-"
	// otherNamespaces are those beyond maxPairs. It cannot be a namespace's name either.
	otherNamespaces = "*"
	// maxPairs is how many pairs of Guardrail and namespace have a series of their own. The
	// other namespaces of a Guardrail share one.
	maxPairs = 1000
)

// WouldDeny counts requests that were admitted and would have been denied under enforce, for each
// Guardrail that exists, by policy of the catalog and by namespace.
type WouldDeny struct {
	policies   *prometheus.CounterVec
	namespaces *prometheus.CounterVec

	mutex sync.Mutex
	pairs map[string]map[string]bool // namespaces by Guardrail
	size  int
}

// NewWouldDeny returns the metrics of requests that would have been denied.
func NewWouldDeny(registerer prometheus.Registerer) *WouldDeny {
	m := &WouldDeny{
		policies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "taffrail_would_deny_total",
			Help: "Requests that were admitted and would have been denied if the Guardrail's mode and the ceiling were enforce, by Guardrail and policy. Dry runs are left out.",
		}, []string{"guardrail", "policy"}),
		namespaces: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "taffrail_would_deny_requests_total",
			Help: `The same by Guardrail and namespace, each request once: "-" for cluster-scoped objects, "*" for namespaces beyond the first 1000 pairs.`,
		}, []string{"guardrail", "namespace"}),
		pairs: map[string]map[string]bool{},
	}
	registerer.MustRegister(m.policies, m.namespaces)
	return m
}

// Add counts a request that a Guardrail would have denied, for the given policies.
func (m *WouldDeny) Add(guardrail, namespace string, policies []string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	known := m.pairs[guardrail]
	if known == nil {
		known = map[string]bool{}
		m.pairs[guardrail] = known
	}
	if !known[namespace] {
		if m.size < maxPairs {
			known[namespace] = true
			m.size++
		} else {
			namespace = otherNamespaces
		}
	}
	m.namespaces.WithLabelValues(guardrail, namespace).Inc()
	for _, policy := range policies {
		m.policies.WithLabelValues(guardrail, policy).Inc()
	}
}

// Forget removes the series of Guardrails that no longer exist.
func (m *WouldDeny) Forget(exists func(guardrail string) bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for guardrail, known := range m.pairs {
		if exists(guardrail) {
			continue
		}
		m.policies.DeletePartialMatch(prometheus.Labels{"guardrail": guardrail})
		m.namespaces.DeletePartialMatch(prometheus.Labels{"guardrail": guardrail})
		m.size -= len(known)
		delete(m.pairs, guardrail)
	}
}
