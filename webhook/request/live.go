package request

import (
	"errors"
	"strings"

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
	r := live(object, kind)
	return r, complete(r)
}

// LiveJSON is Live for an object as the API server sends it. It keeps no part of the text. Of an item
// of a list, which does not say what it is, kind does. The error may also be a *MalformedError.
func LiveJSON(text []byte, kind schema.GroupVersionKind) (*decision.Request, error) {
	if len(text) > MaxBytes {
		return nil, &LimitError{What: "size", Limit: MaxBytes}
	}
	object, ambiguous, err := readObject(string(text))
	if err != nil {
		return nil, err
	}
	setDefault(object, "apiVersion", kind.GroupVersion().String())
	setDefault(object, "kind", kind.Kind)
	r := live(object, kind)
	r.Name, r.Namespace.Name = strings.Clone(r.Name), strings.Clone(r.Namespace.Name)
	r.Ambiguous, r.BodyBytes = ambiguous, int64(len(text))
	return r, complete(r)
}

// readObject reads a text that is one object. ambiguous describes what in it can be read in more
// than one way.
func readObject(text string) (object map[string]any, ambiguous string, err error) {
	reader := valueReader{scanner: &scanner{text: text}, unfinished: takeUnfinished()}
	defer reader.release()
	value, err := reader.read(0)
	switch {
	case errors.Is(err, errTooDeep):
		return nil, "", &LimitError{What: "depth", Limit: MaxDepth}
	case errors.Is(err, errSyntax), err == nil && reader.next() != 0:
		return nil, "", &MalformedError{What: "object", Reason: whatIsWrong(text)}
	case err != nil:
		return nil, "", &MalformedError{What: "object", Reason: err.Error()}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, "", &MalformedError{What: "object", Reason: "it is not a JSON object"}
	}
	return object, reader.ambiguous, nil
}

// live returns the request for an object without what complete derives from it.
func live(object map[string]any, kind schema.GroupVersionKind) *decision.Request {
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
	return r
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
