package facts

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/decision"
)

// newNamespaceAge is the age below which the facts of a namespace are read from the API server.
// It covers the lag of an informer and some clock skew between two machines.
const newNamespaceAge = 10 * time.Second

// Options configures Facts.
type Options struct {
	// Now returns the current time. It defaults to time.Now.
	Now func() time.Time
}

// Facts reads facts about namespaces. It is safe for concurrent use.
type Facts struct {
	cached, live client.Reader
	now          func() time.Time
}

// New returns Facts. The reader cached is backed by informers; live sends every read to the API
// server.
func New(cached, live client.Reader, o Options) *Facts {
	f := &Facts{cached: cached, live: live, now: o.Now}
	if f.now == nil {
		f.now = time.Now
	}
	return f
}

// NamespaceError is returned if a namespace cannot be read or does not exist.
type NamespaceError struct {
	Name string
	Err  error
}

func (e *NamespaceError) Error() string { return fmt.Sprintf("namespace %q: %v", e.Name, e.Err) }

func (e *NamespaceError) Unwrap() error { return e.Err }

// Namespace returns the labels of a namespace. For cluster-scoped objects, whose namespace is "",
// it returns a known namespace without labels.
func (f *Facts) Namespace(ctx context.Context, name string) (decision.Namespace, error) {
	if name == "" {
		return decision.Namespace{Known: true}, nil
	}
	namespace, err := get(ctx, f.cached, name)
	if apierrors.IsNotFound(err) {
		namespace, err = get(ctx, f.live, name)
	}
	if err != nil {
		return decision.Namespace{}, &NamespaceError{Name: name, Err: err}
	}
	return namespaceOf(namespace), nil
}

func namespaceOf(namespace *metav1.PartialObjectMetadata) decision.Namespace {
	return decision.Namespace{Name: namespace.Name, Labels: namespace.Labels, Annotations: namespace.Annotations, Known: true, Created: namespace.CreationTimestamp.Time}
}

// Namespaces returns all namespaces that the informers know, with their labels.
func (f *Facts) Namespaces(ctx context.Context) ([]decision.Namespace, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := f.cached.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	all := make([]decision.Namespace, 0, len(list.Items))
	for i := range list.Items {
		all = append(all, namespaceOf(&list.Items[i]))
	}
	return all, nil
}

// Facts returns the wanted facts about a namespace. The objects may be shared with the informers
// and must not be modified.
func (f *Facts) Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error) {
	var facts decision.Facts
	if namespace == "" {
		return facts, nil
	}
	if !f.isNew(ctx, namespace) {
		for _, fact := range wanted {
			if err := f.add(ctx, &facts, fact, f.cached, namespace); err != nil {
				return decision.Facts{}, &NamespaceError{Name: namespace, Err: err}
			}
		}
		return facts, nil
	}
	// List concurrently: a live list may wait a tenth of a second for the API server's watch cache.
	group, ctx := errgroup.WithContext(ctx)
	for _, fact := range wanted {
		group.Go(func() error { return f.add(ctx, &facts, fact, f.live, namespace) })
	}
	if err := group.Wait(); err != nil {
		return decision.Facts{}, &NamespaceError{Name: namespace, Err: err}
	}
	facts.Fresh = true
	return facts, nil
}

// add sets the one field of facts that belongs to fact, so several calls may run concurrently.
func (f *Facts) add(ctx context.Context, facts *decision.Facts, fact decision.Fact, reader client.Reader, namespace string) (err error) {
	inside := client.InNamespace(namespace)
	switch fact {
	case decision.FactLimitRanges:
		list := &corev1.LimitRangeList{}
		facts.LimitRanges, err = listed(ctx, reader, list, &list.Items, inside)
	case decision.FactResourceQuotas:
		list := &corev1.ResourceQuotaList{}
		facts.ResourceQuotas, err = listed(ctx, reader, list, &list.Items, inside)
	case decision.FactAutoscalers:
		list := &autoscalingv2.HorizontalPodAutoscalerList{}
		facts.Autoscalers, err = listed(ctx, reader, list, &list.Items, inside)
	case decision.FactClaims:
		list := &corev1.PersistentVolumeClaimList{}
		facts.PersistentVolumeClaims, err = listed(ctx, reader, list, &list.Items, inside)
	case decision.FactStorageClasses:
		list := &storagev1.StorageClassList{}
		// StorageClasses are cluster-scoped: the age of the namespace does not matter.
		facts.StorageClasses, err = listed(ctx, f.cached, list, &list.Items)
	default:
		return fmt.Errorf("there is no fact %q", fact)
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", fact, err)
	}
	return nil
}

// listed reads a list and returns pointers to its items.
func listed[T any](ctx context.Context, reader client.Reader, list client.ObjectList, items *[]T, options ...client.ListOption) ([]*T, error) {
	err := reader.List(ctx, list, options...)
	return pointers(*items), err
}

// isNew prefers a live read when in doubt: clock skew costs two requests, never a wrong answer.
func (f *Facts) isNew(ctx context.Context, name string) bool {
	namespace, err := get(ctx, f.cached, name)
	return err != nil || f.now().Sub(namespace.CreationTimestamp.Time) < newNamespaceAge
}

func get(ctx context.Context, reader client.Reader, name string) (*metav1.PartialObjectMetadata, error) {
	namespace := namespaceMetadata()
	if err := reader.Get(ctx, client.ObjectKey{Name: name}, namespace); err != nil {
		return nil, err
	}
	return namespace, nil
}

// namespaceMetadata returns a metadata-only Namespace, so that the cache stores nothing else.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}

func pointers[T any](items []T) []*T {
	if len(items) == 0 {
		return nil
	}
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}
