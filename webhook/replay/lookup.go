package replay

import (
	"context"
	"encoding/json"
	"iter"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"
)

// lookup reads the objects that a write may have been made from, as they were at the moment of the write. It
// implements pipeline.Live and pipeline.PodReader.
type lookup struct {
	store *store
	// born is true if the log has the creation of the object that is decided, so that it has its revisions too.
	born bool
	// incomplete describes what was looked for in vain although it may exist; empty if nothing was.
	incomplete string
}

// reset begins a decision about an object.
func (l *lookup) reset(born bool) { l.born, l.incomplete = born && l.store.evicted == 0, "" }

// maxRevisions is the number of revisions that admission reads.
const maxRevisions = 200

// Revisions implements pipeline.Live.
func (l *lookup) Revisions(_ context.Context, kind schema.GroupVersionKind, namespace string, selector map[string]any) iter.Seq2[map[string]any, error] {
	return func(yield func(map[string]any, error) bool) {
		if !l.born {
			l.incomplete = "the revisions from before the log begins are not known, and this may be a rollback to one of them"
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
		r, n := resourceOfKind(kind.GroupKind()), 0
		names := make([]string, 0, 16)
		for name := range l.store.names[objectKey{resource: r, namespace: namespace}] {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			key := objectKey{r, namespace, name}
			if !matching.Matches(l.store.get(key).labelSet()) {
				continue
			}
			object := l.object(key)
			if object == nil {
				continue
			}
			if n++; n > maxRevisions || !yield(object, nil) {
				return
			}
		}
	}
}

// CronJob implements pipeline.Live.
func (l *lookup) CronJob(_ context.Context, namespace, name string) (map[string]any, error) {
	object := l.object(objectKey{cronJobs, namespace, name})
	if object == nil {
		l.incomplete = "CronJob " + name + " is not in the log, and the Job may be a copy of it"
	}
	return object, nil
}

// Owner implements pipeline.Live.
func (l *lookup) Owner(_ context.Context, kind schema.GroupVersionKind, namespace, name string) (map[string]any, error) {
	object := l.object(objectKey{resourceOfKind(kind.GroupKind()), namespace, name})
	if object == nil {
		l.incomplete = kind.Kind + " " + name + " is not in the log, and may have the same template"
	}
	return object, nil
}

// Pod implements pipeline.PodReader.
func (l *lookup) Pod(_ context.Context, namespace, name string) (map[string]any, error) {
	object := l.object(objectKey{pods, namespace, name})
	if object == nil {
		l.incomplete = "Pod " + name + " is not in the log"
	}
	return object, nil
}

// object returns the last known state of an object, or nil.
func (l *lookup) object(key objectKey) map[string]any {
	k := l.store.get(key)
	if k == nil {
		return nil
	}
	var object map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(l.store.textOf(k), &object); err != nil {
		return nil
	}
	return object
}

// labelSet returns the labels of an object.
func (k *known) labelSet() labels.Set {
	var set labels.Set
	if json.Unmarshal(orEmpty(k.labels), &set) != nil {
		return nil // the API server accepts only strings
	}
	return set
}
