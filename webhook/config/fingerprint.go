package config

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// Fingerprint returns a hash of what the decisions about the existing objects of a kind in a
// namespace depend on in the configuration: the bindings that apply to them, and the Exemptions in
// force at a time. Where it is equal in two configurations, no object has to be decided again. A
// Namespace is in itself; the namespace of other cluster-scoped objects is the zero Namespace.
func (s *Snapshot) Fingerprint(kind schema.GroupKind, namespace decision.Namespace, now time.Time) uint64 {
	hash := fnv.New64a()
	for _, g := range s.guardrails {
		if !g.Covers(namespace) {
			continue
		}
		for i := range g.Bindings {
			b := &g.Bindings[i]
			if !slices.Contains(b.Policy.Kinds, kind) {
				continue
			}
			// Writing to a hash cannot fail.
			_, _ = fmt.Fprintf(hash, "%q %q %q %d %t %t\n", g.Name, s.keys[b.Instance], s.sources[b.Policy.ID], b.Mode, b.ModePinned, b.FailOpen)
			for _, e := range s.exemptions {
				if now.Before(e.Until) && slices.Contains(e.Policies, b.Policy.ID) && e.CoversKind(kind) && e.coversNamespaceNamed(namespace.Name) && g.honors(e, b.Policy.ID, now) {
					_, _ = fmt.Fprintf(hash, " %q %q %q\n", e.Name, e.Names, e.Containers)
				}
			}
		}
	}
	return hash.Sum64()
}

// NextExpiry returns the next moment after now at which an Exemption ends, or a Guardrail stops
// honouring one. It returns the zero Time if there is none.
func (s *Snapshot) NextExpiry(now time.Time) (next time.Time) {
	add := func(end time.Time) {
		if end.After(now) && (next.IsZero() || end.Before(next)) {
			next = end
		}
	}
	for _, e := range s.exemptions {
		add(e.Until)
		for _, g := range s.guardrails {
			for _, policy := range e.Policies {
				if g.binds(e, policy) {
					add(g.honoredUntil(e, policy, now))
				}
			}
		}
	}
	return next
}
