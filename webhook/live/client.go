package live

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
)

// NewReader returns a reader that sends every read to the API server. It knows the kinds that this
// package reads, and asks the API server for no others.
func NewReader(config *rest.Config) (client.Reader, error) {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(known); err != nil {
			return nil, err
		}
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for kind := range known.AllKnownTypes() {
		if kind.Group == v1alpha1.Group || isFact(kind) {
			mapper.Add(kind, scopeOf(kind))
		}
	}
	// As kubectl: a folder of manifests may need the facts of many namespaces.
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 50, 300
	reader, err := client.New(config, client.Options{Scheme: known, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	return reader, nil
}

// list reads all objects of a list, page by page. newList returns an empty list.
func list[T any](ctx context.Context, reader client.Reader, newList func() client.ObjectList, options ...client.ListOption) ([]T, error) {
	pages := pager.New(func(ctx context.Context, page metav1.ListOptions) (runtime.Object, error) {
		list := newList()
		return list, reader.List(ctx, list, append(slices.Clip(options), client.Limit(page.Limit), client.Continue(page.Continue))...)
	})
	all, _, err := pages.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	objects, err := meta.ExtractList(all)
	if err != nil {
		return nil, err
	}
	typed := make([]T, 0, len(objects))
	for _, object := range objects {
		one, ok := object.(T)
		if !ok {
			return nil, fmt.Errorf("a list contains a %T", object)
		}
		typed = append(typed, one)
	}
	return typed, nil
}
