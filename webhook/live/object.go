package live

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Object reads an object that a person names. kind is a resource or a kind, as in deploy,
// deployments.apps or Deployment; namespace is ignored if the object is cluster-scoped. The content
// of a Secret is not read: the returned object has its name only. The error is an *UnreadError if
// the user is not permitted to read the object.
func Object(ctx context.Context, config *rest.Config, kind, namespace, name string) (map[string]any, schema.GroupVersionKind, error) {
	mapping, err := mappingOf(config, kind)
	if err != nil {
		return nil, schema.GroupVersionKind{}, err
	}
	gvk := mapping.GroupVersionKind
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		namespace = ""
	}
	if gvk.Group == "" && gvk.Kind == "Secret" {
		return map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name, "namespace": namespace},
		}, gvk, nil
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, gvk, fmt.Errorf("connecting to the API server: %w", err)
	}
	resource := dynamic.ResourceInterface(objects.Resource(mapping.Resource))
	if namespace != "" {
		resource = objects.Resource(mapping.Resource).Namespace(namespace)
	}
	object, err := resource.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, gvk, unread(err, mapping.Resource.Resource, namespace)
	}
	return object.Object, gvk, nil
}

// Mapper returns what maps kinds to the resources that a cluster serves. It asks the API server at most once.
func Mapper(config *rest.Config) (meta.RESTMapper, error) {
	asked, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	cached := memory.NewMemCacheClient(asked)
	return restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, nil), nil
}

func mappingOf(config *rest.Config, kind string) (*meta.RESTMapping, error) {
	mapper, err := Mapper(config)
	if err != nil {
		return nil, err
	}
	full, resource := schema.ParseResourceArg(kind)
	if full != nil {
		if found, err := mapper.KindFor(*full); err == nil {
			return mapper.RESTMapping(found.GroupKind(), found.Version)
		}
	}
	if found, err := mapper.KindFor(resource.WithVersion("")); err == nil {
		return mapper.RESTMapping(found.GroupKind(), found.Version)
	}
	byKind := schema.ParseGroupKind(kind)
	mapping, err := mapper.RESTMapping(byKind)
	if err != nil {
		return nil, fmt.Errorf("finding %s in the cluster: %w", kind, err)
	}
	return mapping, nil
}
