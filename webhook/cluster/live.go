package cluster

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// pageSize takes what a workload has by default, 10 revisions and what is being rolled
	// out, and several times that, in one request.
	pageSize = 50
	// maxRevisions bounds what one decision reads. A revision holds a whole template.
	maxRevisions = 500
)

// ErrTooManyRevisions says that a selector matches more revisions than are looked at.
var ErrTooManyRevisions = errors.New("too many revisions to look at")

// Live reads from the API server, past the informers: what is read here is asked for once
// in a rollback, and is not worth a watch on every ReplicaSet of a cluster.
type Live struct{ reader client.Reader }

// NewLive makes a Live of a reader that asks the API server every time.
func NewLive(reader client.Reader) *Live { return &Live{reader} }

// Revisions lists the objects of a kind that a workload's selector matches.
func (l *Live) Revisions(ctx context.Context, kind schema.GroupVersionKind, namespace string, selector map[string]any) ([]map[string]any, error) {
	var parsed metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(selector, &parsed); err != nil {
		return nil, fmt.Errorf("reading the selector: %w", err)
	}
	matching, err := metav1.LabelSelectorAsSelector(&parsed)
	if err != nil {
		return nil, fmt.Errorf("reading the selector: %w", err)
	}
	var found []map[string]any
	list := &unstructured.UnstructuredList{}
	for {
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := l.reader.List(ctx, list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: matching},
			client.Limit(pageSize), client.Continue(list.GetContinue()))
		if err != nil {
			return nil, fmt.Errorf("listing the %ss of namespace %q: %w", kind.Kind, namespace, err)
		}
		for i := range list.Items {
			found = append(found, list.Items[i].Object)
		}
		if list.GetContinue() == "" {
			return found, nil
		}
		if len(found) >= maxRevisions {
			return nil, fmt.Errorf("listing the %ss of namespace %q: %w", kind.Kind, namespace, ErrTooManyRevisions)
		}
	}
}

// CronJob reads a CronJob; nil where there is none.
func (l *Live) CronJob(ctx context.Context, namespace, name string) (map[string]any, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("CronJob"))
	err := l.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading CronJob %s/%s: %w", namespace, name, err)
	}
	return object.Object, nil
}
