package reach

import (
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource describes how the API server serves a kind.
type Resource struct {
	Group, Name  string
	Versions     []string
	Namespaced   bool
	Subresources []string
}

// Resources maps kinds to the resources that serve them.
type Resources map[schema.GroupKind]Resource

// need is a kind of request that has to be sent.
type need struct {
	resource    Resource
	subresource string
	operation   admissionregistrationv1.OperationType
	path        string
	// metadata is true if only the labels and annotations in the request matter.
	metadata bool
}

// The kinds with special requirements.
var (
	podKind       = schema.GroupKind{Kind: "Pod"}
	bindingKind   = schema.GroupKind{Kind: "Binding"}
	namespaceKind = schema.GroupKind{Kind: "Namespace"}
)

// revisionKindOf returns the kind that stores the previous templates of a kind, or the zero value
// if there is none.
func revisionKindOf(kind schema.GroupKind) schema.GroupKind {
	switch kind {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}:
		return schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}, schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return schema.GroupKind{Group: "apps", Kind: "ControllerRevision"}
	}
	return schema.GroupKind{}
}

// builtIn lists the groups in which an update of the status can change labels and annotations.
// For custom resources the API server ignores both.
var builtIn = []string{
	"", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps", "autoscaling", "batch",
	"certificates.k8s.io", "flowcontrol.apiserver.k8s.io", "networking.k8s.io", "policy", "resource.k8s.io", "storage.k8s.io",
}

const (
	create = admissionregistrationv1.Create
	update = admissionregistrationv1.Update
)

// needs returns the requests that have to be sent for a kind that policies apply to.
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
	// A revision that a workload can be rolled back to is decided like the workload.
	if revisions, served := r[revisionKindOf(kind)]; served {
		for _, operation := range []admissionregistrationv1.OperationType{create, update} {
			all = append(all, need{resource: revisions, operation: operation, path: validatePath})
		}
	}
	return all
}

// relaxing returns the requests that have to be sent so that nobody can take a namespace out of a
// Guardrail unchecked.
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

// injecting returns the requests that have to be sent so that values are injected into Pods.
func (r Resources) injecting() []need {
	resource, served := r[podKind]
	if !served {
		return nil
	}
	return []need{{resource: resource, operation: create, path: mutatePath}}
}

// String returns the resource and its group in the form that rules use.
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

// namedBy reports whether an item of a rule's resources matches the request. "*" matches all
// resources but no subresource.
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

// inNamespaces reports whether the namespaceSelector of an entry applies to the request. For a
// Namespace it is compared with the Namespace's own labels.
func (n *need) inNamespaces() bool {
	return n.resource.Namespaced || n.resource.Group == "" && n.resource.Name == "namespaces"
}
