package request

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// Live is the request that would have made an object of a cluster as it is. The object is
// not copied and must not be written to; its numbers must be int64 or float64. Errors are
// a *FieldError or a *LimitError.
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

// Stored is the request that would have made an object of a cluster as it is at the moment
// of r, by the same user. Errors are a *FieldError or a *LimitError.
func Stored(r *decision.Request, object map[string]any, kind schema.GroupVersionKind) (*decision.Request, error) {
	stored, err := Live(object, kind)
	if err != nil {
		return nil, err
	}
	stored.Origin, stored.Namespace, stored.User, stored.Facts = r.Origin, r.Namespace, r.User, r.Facts
	return stored, nil
}
