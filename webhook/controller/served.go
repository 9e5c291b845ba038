package controller

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"taffrail.dev/webhook/reach"
)

// discoveryInterval is how long a discovery result is used. A newly installed CRD is noticed after at most this
// time.
const discoveryInterval = 30 * time.Second

// discoverer is the part of discovery.DiscoveryInterface that is used.
type discoverer interface {
	ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error)
}

// servedResources caches which resources the cluster serves. It is safe for concurrent use.
type servedResources struct {
	discovery discoverer
	now       func() time.Time

	mutex      sync.Mutex
	resources  reach.Resources
	discovered time.Time
	// failed has why the resources of some groups are not known.
	failed map[string]error
}

func newServedResources(from discoverer, now func() time.Time) *servedResources {
	return &servedResources{discovery: from, now: now}
}

// get returns the resources, at most discoveryInterval old.
func (s *servedResources) get() (reach.Resources, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.resources != nil && s.now().Sub(s.discovered) < discoveryInterval {
		return s.resources, nil
	}
	_, lists, err := s.discovery.ServerGroupsAndResources()
	// An unavailable aggregated API does not hide the others.
	partly := new(discovery.ErrGroupDiscoveryFailed)
	if err != nil && !errors.As(err, &partly) {
		return nil, fmt.Errorf("reading which resources the cluster serves: %w", err)
	}
	s.resources, s.discovered, s.failed = resourcesOf(lists), s.now(), map[string]error{}
	for version, err := range partly.Groups {
		s.failed[version.Group] = err
	}
	return s.resources, nil
}

// resource returns the resource of a kind. The error is a *meta.NoKindMatchError only if it is known that the cluster does
// not serve the kind.
func (s *servedResources) resource(kind schema.GroupKind) (reach.Resource, error) {
	resources, err := s.get()
	if err != nil {
		return reach.Resource{}, err
	}
	if resource, served := resources[kind]; served {
		return resource, nil
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.failed[kind.Group]; err != nil {
		return reach.Resource{}, fmt.Errorf("reading which resources the cluster serves in %s: %w", kind.Group, err)
	}
	return reach.Resource{}, &meta.NoKindMatchError{GroupKind: kind}
}

// resourcesOf groups resources by kind, across versions.
func resourcesOf(lists []*metav1.APIResourceList) reach.Resources {
	found := reach.Resources{}
	below := map[schema.GroupResource][]string{}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for i := range list.APIResources {
			served := &list.APIResources[i]
			name, subresource, isBelow := strings.Cut(served.Name, "/")
			if isBelow {
				resource := schema.GroupResource{Group: version.Group, Resource: name}
				below[resource] = append(below[resource], subresource)
				continue
			}
			kind := schema.GroupKind{Group: version.Group, Kind: served.Kind}
			known := found[kind]
			known.Group, known.Name, known.Namespaced = version.Group, name, served.Namespaced
			known.Versions = append(known.Versions, version.Version)
			found[kind] = known
		}
	}
	for kind, resource := range found {
		resource.Subresources = below[schema.GroupResource{Group: resource.Group, Resource: resource.Name}]
		found[kind] = resource
	}
	return found
}

// servedMapper maps the kinds that are always read without a request, and other kinds by discovery.
type servedMapper struct {
	meta.RESTMapper
	served *servedResources
}

// RESTMapping implements meta.RESTMapper.
func (m servedMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	mapping, err := m.RESTMapper.RESTMapping(kind, versions...)
	if !meta.IsNoMatchError(err) {
		return mapping, err
	}
	resource, err := m.served.resource(kind)
	if err != nil {
		return nil, err
	}
	// Discovery lists the preferred version first.
	version := resource.Versions[0]
	for _, wanted := range versions {
		if wanted != "" {
			version = wanted
			break
		}
	}
	scope := meta.RESTScopeRoot
	if resource.Namespaced {
		scope = meta.RESTScopeNamespace
	}
	return &meta.RESTMapping{
		Resource:         schema.GroupVersionResource{Group: kind.Group, Version: version, Resource: resource.Name},
		GroupVersionKind: kind.WithVersion(version), Scope: scope,
	}, nil
}
