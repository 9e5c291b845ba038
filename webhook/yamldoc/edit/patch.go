package edit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	kjson "sigs.k8s.io/json"

	"taffrail.dev/webhook/decision"
)

// PatchError is returned for an operation that cannot be applied. It quotes no value.
type PatchError struct {
	Op, Path string
	Reason   error
}

func (e *PatchError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Reason) }
func (e *PatchError) Unwrap() error { return e.Reason }

// The reasons of a PatchError.
var (
	ErrMissing   = errors.New("there is no such field")
	ErrDifferent = errors.New("the field no longer has the value that the fix was made for")
	ErrOperation = errors.New("an operation must be one of add, replace, remove and test")
)

// apply returns a patched copy of a value. The operations are applied one by one, so that an
// error names the one that does not apply.
func apply(value any, patch []decision.PatchOperation) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	for _, operation := range patch {
		if text, err = applyOne(text, operation); err != nil {
			return nil, &PatchError{Op: operation.Op, Path: operation.Path, Reason: err}
		}
	}
	var patched any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &patched); err != nil {
		return nil, errors.New("the patched value is not JSON")
	}
	return patched, nil
}

// applyOne does not quote the errors of the library: a document may contain a Secret.
func applyOne(text []byte, operation decision.PatchOperation) ([]byte, error) {
	fields := map[string]any{"op": operation.Op, "path": operation.Path, "value": operation.Value}
	switch operation.Op {
	case "add", "replace", "test":
	case "remove":
		delete(fields, "value")
	default:
		return nil, ErrOperation
	}
	encoded, err := json.Marshal([]any{fields})
	if err != nil {
		return nil, fmt.Errorf("the value is not JSON: %w", err)
	}
	decoded, err := jsonpatch.DecodePatch(encoded)
	if err != nil {
		return nil, ErrOperation
	}
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices = false
	text, err = decoded.ApplyWithOptions(text, options)
	switch {
	case errors.Is(err, jsonpatch.ErrTestFailed):
		return nil, ErrDifferent
	case err != nil:
		return nil, ErrMissing
	}
	return text, nil
}

// equal compares JSON values. 1 and 1.0 are the same number.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, value := range a {
			other, found := b[name]
			if !found || !equal(value, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case int64:
		if f, ok := b.(float64); ok {
			return float64(a) == f
		}
	case float64:
		if i, ok := b.(int64); ok {
			return a == float64(i)
		}
	}
	return a == b
}
