package facts

import (
	"context"
	"fmt"
	"iter"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// pageSize fits the default history of a workload, 10 revisions and those being rolled out, in
	// one request.
	pageSize = 20
	// maxRevisions limits the reads of one decision. Exceeding it is not an error: with
	// failurePolicy Ignore, anyone who can create revisions could use the error to bypass every
	// policy.
	maxRevisions = 200
	// readers is the number of decisions that may list at the same time. A page may be as large as
	// 30 MiB.
	readers = 4
)

// Live reads from the API server and not from informers: few requests, such as rollbacks, need
// these objects, which does not justify a watch on every ReplicaSet of a cluster. It is safe for
// concurrent use.
type Live struct {
	reader client.Reader
	slots  chan struct{}
	// known caches metadata that does not change during the life of an object.
	known *creations
}

// NewLive returns a Live. reader must send every read to the API server.
func NewLive(reader client.Reader) *Live {
	return &Live{reader, make(chan struct{}, readers), newCreations()}
}

// Revisions yields up to maxRevisions objects of a kind that the selector of a workload matches.
// If a read fails, the last element is an error.
func (l *Live) Revisions(ctx context.Context, kind schema.GroupVersionKind, namespace string, selector map[string]any) iter.Seq2[map[string]any, error] {
	return func(yield func(map[string]any, error) bool) {
		if err := l.list(ctx, kind, namespace, selector, func(object map[string]any) bool { return yield(object, nil) }); err != nil {
			yield(nil, fmt.Errorf("listing the %ss of namespace %q: %w", kind.Kind, namespace, err))
		}
	}
}

func (l *Live) list(ctx context.Context, kind schema.GroupVersionKind, namespace string, selector map[string]any, more func(map[string]any) bool) error {
	var parsed metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(selector, &parsed); err != nil {
		return fmt.Errorf("reading the selector: %w", err)
	}
	matching, err := metav1.LabelSelectorAsSelector(&parsed)
	if err != nil {
		return fmt.Errorf("reading the selector: %w", err)
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	next := ""
	for range maxRevisions / pageSize {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := l.reader.List(ctx, list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: matching},
			client.Limit(pageSize), client.Continue(next))
		if err != nil {
			return err
		}
		for i := range list.Items {
			if !more(list.Items[i].Object) {
				return nil
			}
		}
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
	return nil
}

// CronJob returns a CronJob, or nil if it does not exist.
func (l *Live) CronJob(ctx context.Context, namespace, name string) (map[string]any, error) {
	return l.get(ctx, batchv1.SchemeGroupVersion.WithKind("CronJob"), namespace, name)
}

// Pod returns a Pod, or nil if it does not exist.
func (l *Live) Pod(ctx context.Context, namespace, name string) (map[string]any, error) {
	return l.get(ctx, corev1.SchemeGroupVersion.WithKind("Pod"), namespace, name)
}

func (l *Live) get(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (map[string]any, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	err := l.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s %s/%s: %w", kind.Kind, namespace, name, err)
	}
	return object.Object, nil
}

// Owner returns a Deployment, StatefulSet or DaemonSet, or nil if it does not exist. It uses a
// list request, because Taffrail's RBAC grants list on these kinds but not get.
func (l *Live) Owner(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (map[string]any, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := l.reader.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{"metadata.name": name}); err != nil {
		return nil, fmt.Errorf("reading %s %s/%s: %w", kind.Kind, namespace, name, err)
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	return list.Items[0].Object, nil
}
