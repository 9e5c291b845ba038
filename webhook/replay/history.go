package replay

import (
	"time"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay/auditlog"
)

// History is what a log as a whole has of facts. Facts of today do not show what they were before they were changed,
// and a log shows that only later. The zero value has seen no write.
type History struct {
	// first has the time of the first write of each fact that exists before that write, by resource, namespace and name.
	// It is zero for a fact whose creation is in the log. The name is empty for the deletion of a collection.
	first map[objectKey]map[string]time.Time
	count int
	// full is set if there are too many facts to remember.
	full bool
	// written has the resources of which the log has writes.
	written map[resource]bool
}

// maxHistory is the number of facts in a History.
const maxHistory = 50_000

// Add takes a write into account. Writes must come by time.
func (h *History) Add(e *auditlog.Event) {
	r := resourceOf(&e.Object)
	fact, _ := factOf(r)
	if h.written == nil {
		h.written, h.first = map[resource]bool{}, map[objectKey]map[string]time.Time{}
	}
	if code := e.Status.Code; fact == "" && r != namespaces || code >= badRequest && code < serverError || !changesFact(e) {
		return
	}
	if dry, _ := isDryRun(e); dry {
		return
	}
	h.written[r] = true
	name, at := e.Object.Name, e.Completed
	if operationOf(e) == decision.Create && !deletes(e) {
		at = time.Time{}
		if name == "" {
			response := headOf(e.ResponseObject)
			name = response.name
		}
	}
	in := objectKey{resource: r, namespace: namespaceOf(&e.Object)}
	if _, found := h.first[in][name]; found {
		return
	}
	if h.count >= maxHistory {
		h.full = true
		return
	}
	h.count++
	if h.first[in] == nil {
		h.first[in] = map[string]time.Time{}
	}
	h.first[in][name] = at
}

// changesFact reports whether a write may change what is read of a fact.
func changesFact(e *auditlog.Event) bool {
	switch e.Object.Subresource {
	case "":
		return true
	case "status", "finalize":
		return resourceOf(&e.Object) == quotas || resourceOf(&e.Object) == namespaces
	}
	return false
}

// changes reports whether an object is changed or deleted at a time or later, so that what it is at the end does not show
// what it was.
func (h *History) changes(key objectKey, at time.Time) bool {
	if h == nil {
		return false
	}
	first := h.first[objectKey{resource: key.resource, namespace: key.namespace}][key.object]
	return h.full || !first.IsZero() && !first.Before(at)
}

// changedAfter reports whether a fact of a namespace is changed or deleted at a time or later. known has those facts that are known at that time.
func (h *History) changedAfter(r resource, namespace string, at time.Time, known func(name string) bool) bool {
	if h == nil {
		return false
	}
	if h.full {
		return true
	}
	for name, first := range h.first[objectKey{resource: r, namespace: namespace}] {
		if !first.IsZero() && !first.Before(at) && !known(name) {
			return true
		}
	}
	return false
}
