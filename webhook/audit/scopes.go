package audit

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// scopes has, by kind and namespace, the fingerprint of the configuration under which the objects were decided. The
// namespace "" is that of cluster-scoped objects.
type scopes struct {
	// snapshot is the ID of the configuration, and expiry when it changes by time alone; zero if it does not.
	snapshot string
	expiry   time.Time
	kinds    map[schema.GroupKind]map[string]uint64
	// labels has the labels of each namespace, of which no copy is made.
	labels map[string]map[string]string
}

func newScopes() *scopes {
	return &scopes{kinds: map[schema.GroupKind]map[string]uint64{}, labels: map[string]map[string]string{}}
}

// update records the fingerprints of a configuration, and returns the namespaces of each kind of which they have
// changed, sorted. The objects in a namespace that is new with the configuration may have been decided under the one
// before. Fingerprints that cannot have changed are not computed again.
func (s *scopes) update(snapshot *config.Snapshot, targets []Target, namespaces []decision.Namespace, now time.Time) map[schema.GroupKind][]string {
	another := s.snapshot != snapshot.ID()
	due := another || !s.expiry.IsZero() && !now.Before(s.expiry)
	if due {
		s.snapshot, s.expiry = snapshot.ID(), snapshot.NextExpiry(now)
	}
	var relabelled []decision.Namespace
	namespaces = append(slices.Clone(namespaces), decision.Namespace{Known: true})
	for _, namespace := range namespaces {
		if labels, known := s.labels[namespace.Name]; !known || !maps.Equal(labels, namespace.Labels) {
			relabelled = append(relabelled, namespace)
			s.labels[namespace.Name] = namespace.Labels
		}
	}
	touched := map[schema.GroupKind][]string{}
	for i := range targets {
		kind := targets[i].Kind
		known, todo := s.kinds[kind], relabelled
		if known == nil {
			known = map[string]uint64{}
			s.kinds[kind] = known
		}
		if due || len(known) == 0 {
			todo = namespaces
		}
		for _, namespace := range todo {
			is := snapshot.Fingerprint(kind, namespace, now)
			was, decided := known[namespace.Name]
			if known[namespace.Name] = is; decided && was != is || !decided && another {
				touched[kind] = append(touched[kind], namespace.Name)
			}
		}
		slices.Sort(touched[kind])
	}
	return touched
}

// forget removes a namespace that no longer exists.
func (s *scopes) forget(namespace string) {
	delete(s.labels, namespace)
	for _, known := range s.kinds {
		delete(known, namespace)
	}
}

// forgetKind removes a kind that is no longer audited.
func (s *scopes) forgetKind(kind schema.GroupKind) { delete(s.kinds, kind) }
