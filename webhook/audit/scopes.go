package audit

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// scopes has, by kind and namespace, the fingerprint of the configuration under which the objects were decided. The
// namespace "" is that of cluster-scoped objects.
type scopes struct {
	// snapshot is the ID of the configuration.
	snapshot string
	kinds    map[schema.GroupKind]map[string]uint64
}

func newScopes() *scopes { return &scopes{kinds: map[schema.GroupKind]map[string]uint64{}} }

// update records the fingerprints of a configuration, and returns the namespaces of each kind of which they have
// changed, sorted. The objects in a namespace that is new with the configuration may have been decided under the one
// before.
func (s *scopes) update(snapshot *config.Snapshot, targets []Target, namespaces []decision.Namespace, now time.Time) map[schema.GroupKind][]string {
	changed := s.snapshot != snapshot.ID()
	s.snapshot = snapshot.ID()
	touched := map[schema.GroupKind][]string{}
	namespaces = append(slices.Clone(namespaces), decision.Namespace{Known: true})
	for i := range targets {
		kind := targets[i].Kind
		known := s.kinds[kind]
		if known == nil {
			known = map[string]uint64{}
			s.kinds[kind] = known
		}
		for _, namespace := range namespaces {
			now := snapshot.Fingerprint(kind, namespace, now)
			before, decided := known[namespace.Name]
			if known[namespace.Name] = now; decided && before != now || !decided && changed {
				touched[kind] = append(touched[kind], namespace.Name)
			}
		}
		slices.Sort(touched[kind])
	}
	return touched
}

// forget removes a namespace that no longer exists.
func (s *scopes) forget(namespace string) {
	for _, known := range s.kinds {
		delete(known, namespace)
	}
}
