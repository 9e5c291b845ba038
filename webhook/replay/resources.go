package replay

import (
	"encoding/json"
	"net/url"
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

var (
	pods       = resource{"", "pods"}
	namespaces = resource{"", "namespaces"}
	quotas     = resource{"", "resourcequotas"}
	cronJobs   = resource{"batch", "cronjobs"}

	limitRanges = resource{"", "limitranges"}

	replicaSets         = resource{"apps", "replicasets"}
	controllerRevisions = resource{"apps", "controllerrevisions"}

	binding = schema.GroupVersionKind{Version: "v1", Kind: "Binding"}
)

// namespaceOf returns the namespace of an object. The log has a Namespace's own name as its namespace.
func namespaceOf(ref *auditlog.ObjectRef) string {
	if resourceOf(ref) == namespaces {
		return ""
	}
	return ref.Namespace
}

// deletes reports whether a write deletes objects.
func deletes(e *auditlog.Event) bool { return e.Verb == "delete" || e.Verb == "deletecollection" }

// isDryRun reports whether a write stores nothing. It is not certain for a deletion whose options are not in the log:
// they are in the body of the request.
func isDryRun(e *auditlog.Event) (dry, certain bool) {
	if parametersOf(e).Get("dryRun") != "" {
		return true, true
	}
	switch {
	case !deletes(e) && aspectOf(e) != evicts:
		return false, true
	case e.RequestObject == nil:
		return false, e.Level != auditlog.LevelMetadata && !e.Truncated
	}
	type options struct {
		DryRun []string `json:"dryRun"`
	}
	var body struct {
		options

		DeleteOptions options `json:"deleteOptions"` // of an Eviction
	}
	err := json.Unmarshal(e.RequestObject, &body)
	return len(body.DryRun)+len(body.DeleteOptions.DryRun) > 0, err == nil
}

// parametersOf returns the query of a request.
func parametersOf(e *auditlog.Event) url.Values {
	_, query, found := strings.Cut(e.RequestURI, "?")
	if !found {
		return nil
	}
	values, _ := url.ParseQuery(query) // what can be parsed is returned
	return values
}

// operationOf returns the operation of admission. A patch may create an object.
func operationOf(e *auditlog.Event) decision.Operation {
	if e.Verb == "create" || e.Status.Code == created {
		return decision.Create
	}
	return decision.Update
}
