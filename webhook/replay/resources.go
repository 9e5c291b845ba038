package replay

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay/auditlog"
)

// resource is a resource with its group, without its version: an object is the same in every version.
type resource struct{ group, name string }

func (r resource) String() string {
	return schema.GroupResource{Group: r.group, Resource: r.name}.String()
}

func resourceOf(ref *auditlog.ObjectRef) resource { return resource{ref.APIGroup, ref.Resource} }

// kinds has the built-in kinds that the webhooks are registered for, in the version that the API server sends.
var kinds = map[resource]schema.GroupVersionKind{
	{"", "pods"}:                    {Version: "v1", Kind: "Pod"},
	{"", "replicationcontrollers"}:  {Version: "v1", Kind: "ReplicationController"},
	{"", "services"}:                {Version: "v1", Kind: "Service"},
	{"", "persistentvolumeclaims"}:  {Version: "v1", Kind: "PersistentVolumeClaim"},
	{"", "secrets"}:                 {Version: "v1", Kind: "Secret"},
	{"", "configmaps"}:              {Version: "v1", Kind: "ConfigMap"},
	{"", "namespaces"}:              {Version: "v1", Kind: "Namespace"},
	{"apps", "deployments"}:         {Group: "apps", Version: "v1", Kind: "Deployment"},
	{"apps", "statefulsets"}:        {Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{"apps", "daemonsets"}:          {Group: "apps", Version: "v1", Kind: "DaemonSet"},
	{"apps", "replicasets"}:         {Group: "apps", Version: "v1", Kind: "ReplicaSet"},
	{"apps", "controllerrevisions"}: {Group: "apps", Version: "v1", Kind: "ControllerRevision"},
	{"batch", "jobs"}:               {Group: "batch", Version: "v1", Kind: "Job"},
	{"batch", "cronjobs"}:           {Group: "batch", Version: "v1", Kind: "CronJob"},
}

var (
	pods       = resource{"", "pods"}
	namespaces = resource{"", "namespaces"}
	cronJobs   = resource{"batch", "cronjobs"}
	binding    = schema.GroupVersionKind{Version: "v1", Kind: "Binding"}
)

// resourceOfKind is the inverse of kinds.
func resourceOfKind(kind schema.GroupKind) resource {
	for r, k := range kinds {
		if k.GroupKind() == kind {
			return r
		}
	}
	return resource{}
}

// aspect is what a write with a subresource means for replay.
type aspect int

const (
	// ignored is a write that changes nothing that matters, such as an exec or a token.
	ignored aspect = iota
	// whole is a write of an object, or of a subresource that is sent to /validate as the object.
	whole
	// metadata is a write that is sent only if it changes labels or annotations.
	metadata
	// binds is a write of a Binding.
	binds
	// scales is a write that changes the number of replicas, which no webhook sees.
	scales
	// evicts is a write that deletes a Pod.
	evicts
)

func aspectOf(e *auditlog.Event) aspect {
	r := resourceOf(&e.Object)
	if r == (resource{"", "bindings"}) {
		return binds
	}
	switch e.Object.Subresource {
	case "":
		return whole
	case "status":
		return metadata
	case "finalize":
		if r == namespaces {
			return metadata
		}
	case "ephemeralcontainers", "resize":
		if r == pods {
			return whole
		}
	case "binding":
		if r == pods {
			return binds
		}
	case "eviction":
		if r == pods {
			return evicts
		}
	case "scale":
		return scales
	}
	return ignored
}

// namespaceOf returns the namespace of an object. The log has a Namespace's own name as its namespace.
func namespaceOf(ref *auditlog.ObjectRef) string {
	if resourceOf(ref) == namespaces {
		return ""
	}
	return ref.Namespace
}

// isDryRun reports whether a write stores nothing.
func isDryRun(e *auditlog.Event) bool {
	_, query, _ := strings.Cut(e.RequestURI, "?")
	for parameter := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(parameter, "="); name == "dryRun" && value != "" {
			return true
		}
	}
	return false
}

// operationOf returns the operation of admission. A patch may create an object.
func operationOf(e *auditlog.Event) decision.Operation {
	if e.Verb == "create" || e.Status.Code == created {
		return decision.Create
	}
	return decision.Update
}
