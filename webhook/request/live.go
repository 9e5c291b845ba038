package request

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// Live returns the request that would have created an object of a cluster in its current form.
// It does not copy the object, which must not be modified; its numbers must be int64 or
// float64. Errors are a *FieldError or a *LimitError.
func Live(object map[string]any, kind schema.GroupVersionKind) (*decision.Request, error) {
	if tooDeep(object, 0) {
		return nil, &LimitError{What: "depth", Limit: MaxDepth}
	}
	r := &decision.Request{
		Origin:    decision.OriginLive,
		Operation: decision.Create,
		Kind:      kind,
		Name:      stringAt(object, "metadata", "name"),
		Object:    object,
		Original:  object,
	}
	r.Namespace.Name = stringAt(object, "metadata", "namespace")
	addLastApplied(r)
	return r, complete(r)
}

// Stored returns the request by which the user of r would now create an object of the cluster
// in its current form. Errors are a *FieldError or a *LimitError.
func Stored(r *decision.Request, object map[string]any, kind schema.GroupVersionKind) (*decision.Request, error) {
	stored, err := Live(object, kind)
	if err != nil {
		return nil, err
	}
	stored.Origin, stored.Namespace, stored.User, stored.Facts = r.Origin, r.Namespace, r.User, r.Facts
	return stored, nil
}
