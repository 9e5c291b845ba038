package reach

import (
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource is how the API server serves a kind.
type Resource struct {
	Group, Name  string
	Versions     []string
	Namespaced   bool
	Subresources []string
}

// Resources holds what is served, by kind.
type Resources map[schema.GroupKind]Resource

// need is one sort of request that has to be sent.
type need struct {
	resource    Resource
	subresource string
	operation   admissionregistrationv1.OperationType
	path        string
	// metadata is true if the request matters only for the labels and annotations in it.
	metadata bool
}

// The kinds that stand for others.
var (
	podKind       = schema.GroupKind{Kind: "Pod"}
	bindingKind   = schema.GroupKind{Kind: "Binding"}
	namespaceKind = schema.GroupKind{Kind: "Namespace"}
)

// revisionKindOf is the kind that keeps the earlier templates of a kind, zero if none does.
func revisionKindOf(kind schema.GroupKind) schema.GroupKind {
	switch kind {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}:
		return schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}, schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return schema.GroupKind{Group: "apps", Kind: "ControllerRevision"}
	}
	return schema.GroupKind{}
}

// builtIn are groups whose status carries labels and annotations. The API server takes
// neither from the status of a custom resource.
var builtIn = []string{
	"", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps", "autoscaling", "batch",
	"certificates.k8s.io", "flowcontrol.apiserver.k8s.io", "networking.k8s.io", "policy", "resource.k8s.io", "storage.k8s.io",
}

const (
	create = admissionregistrationv1.Create
	update = admissionregistrationv1.Update
)

// needs returns what has to be sent for a kind that is decided.
func (r Resources) needs(kind schema.GroupKind) []need {
	resource, served := r[kind]
	if !served {
		return nil
	}
	of := func(path string, subresource string, operations ...admissionregistrationv1.OperationType) []need {
		var all []need
		for _, operation := range operations {
			all = append(all, need{resource: resource, subresource: subresource, operation: operation, path: path})
		}
		return all
	}
	all := of(validatePath, "", create, update)
	carrying := func(resource Resource, subresource string, operation admissionregistrationv1.OperationType) {
		if subresource == "" || slices.Contains(resource.Subresources, subresource) {
			all = append(all, need{resource: resource, subresource: subresource, operation: operation, path: validatePath, metadata: true})
		}
	}
	if kind == podKind {
		for _, subresource := range []string{"ephemeralcontainers", "resize"} {
			if slices.Contains(resource.Subresources, subresource) {
				all = append(all, of(validatePath, subresource, update)...)
			}
		}
		carrying(resource, "binding", create)
		if legacy, served := r[bindingKind]; served {
			carrying(legacy, "", create)
		}
	}
	if slices.Contains(builtIn, kind.Group) {
		carrying(resource, "status", update)
	}
	if kind == namespaceKind {
		carrying(resource, "finalize", update)
	}
	// What a workload can be rolled back to is decided as the workload.
	if revisions, served := r[revisionKindOf(kind)]; served {
		for _, operation := range []admissionregistrationv1.OperationType{create, update} {
			all = append(all, need{resource: revisions, operation: operation, path: validatePath})
		}
	}
	return all
}

// relaxing returns what has to be sent so that nobody takes a namespace out of a Guardrail.
func (r Resources) relaxing() []need {
	resource, served := r[namespaceKind]
	if !served {
		return nil
	}
	var all []need
	for _, subresource := range []string{"", "status", "finalize"} {
		all = append(all, need{resource: resource, subresource: subresource, operation: update, path: relaxPath, metadata: true})
	}
	return all
}

// injecting returns what has to be sent so that Pods are filled in.
func (r Resources) injecting() []need {
	resource, served := r[podKind]
	if !served {
		return nil
	}
	return []need{{resource: resource, operation: create, path: mutatePath}}
}

// String returns the resource as rules name it, with its group.
func (n *need) String() string {
	name := n.resource.Name
	if n.resource.Group != "" {
		name += "." + n.resource.Group
	}
	if n.subresource != "" {
		name += "/" + n.subresource
	}
	return name
}

// namedBy reports whether an item of a rule's resources names the request. "*" names all
// resources and no subresource.
func (n *need) namedBy(item string) bool {
	resource, subresource, below := strings.Cut(item, "/")
	if resource != "*" && resource != n.resource.Name {
		return false
	}
	if !below {
		return n.subresource == ""
	}
	return subresource == "*" || n.subresource != "" && subresource == n.subresource
}

func (n *need) inScope(scope *admissionregistrationv1.ScopeType) bool {
	if scope == nil || *scope == admissionregistrationv1.AllScopes {
		return true
	}
	return n.resource.Namespaced == (*scope == admissionregistrationv1.NamespacedScope)
}

// inNamespaces reports whether an entry's namespaceSelector is about the request. For a
// Namespace it is compared with the Namespace's own labels.
func (n *need) inNamespaces() bool {
	return n.resource.Namespaced || n.resource.Group == "" && n.resource.Name == "namespaces"
}
