package replay

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// lookup reads the objects that a write may have been made from, as they were at the moment of the write. It
// implements pipeline.Live and pipeline.PodReader.
type lookup struct {
	store *store
	// uid is that of the object that is decided, and of the controller of its revisions.
	uid string
	// born is true if the log has the creation of the object that is decided, so that it has its revisions too.
	born bool
	// incomplete describes what was looked for in vain although it may exist; empty if nothing was.
	incomplete string
}

// reset begins a decision about an object.
func (l *lookup) reset(k *known) {
	*l = lookup{store: l.store}
	if k != nil {
		l.uid, l.born = k.uid, k.born
	}
}

// maxRevisions is the number of revisions that admission reads.
const maxRevisions = 200

// Revisions implements pipeline.Live.
func (l *lookup) Revisions(_ context.Context, kind schema.GroupVersionKind, namespace string, selector map[string]any) iter.Seq2[map[string]any, error] {
	return func(yield func(map[string]any, error) bool) {
		r := resourceOfKind(kind.GroupKind())
		l.incomplete = l.store.doubtAbout(r, namespace)
		if !l.born {
			l.incomplete = cmp.Or(l.incomplete, "the revisions from before the log begins are not known, and this may be a rollback to one of them")
		}
		var parsed metav1.LabelSelector
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(selector, &parsed); err != nil {
			yield(nil, err)
			return
		}
		matching, err := metav1.LabelSelectorAsSelector(&parsed)
		if err != nil {
			yield(nil, err)
			return
		}
		for n, revision := range l.matching(r, namespace, matching) {
			object := l.store.parse(revision)
			if object == nil {
				continue
			}
			if n >= maxRevisions || !yield(object, nil) {
				return
			}
		}
	}
}

// matching returns the revisions of the object that is decided, if a selector matches them, by name.
func (l *lookup) matching(r resource, namespace string, selector labels.Selector) (found []*known) {
	for _, k := range l.store.all(r, namespace) {
		if k.controller == l.uid && selector.Matches(k.labelSet()) {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(a, b *known) int { return strings.Compare(a.key.object, b.key.object) })
	return found
}

// CronJob implements pipeline.Live.
func (l *lookup) CronJob(_ context.Context, namespace, name string) (map[string]any, error) {
	object := l.store.object(objectKey{cronJobs, namespace, name})
	if object == nil {
		l.incomplete = "CronJob " + name + " is not in the log, and the Job may be a copy of it"
	}
	return object, nil
}

// Owner implements pipeline.Live.
func (l *lookup) Owner(_ context.Context, kind schema.GroupVersionKind, namespace, name string) (map[string]any, error) {
	object := l.store.object(objectKey{resourceOfKind(kind.GroupKind()), namespace, name})
	if object == nil {
		l.incomplete = kind.Kind + " " + name + " is not in the log, and may have the same template"
	}
	return object, nil
}

// Pod implements pipeline.PodReader.
func (l *lookup) Pod(_ context.Context, namespace, name string) (map[string]any, error) {
	return l.store.object(objectKey{pods, namespace, name}), nil
}
