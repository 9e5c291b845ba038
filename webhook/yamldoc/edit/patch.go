package edit

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

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
	ErrDifferent = errors.New("the field has another value than the fix was made for")
	ErrOperation = errors.New("an operation must be one of add, replace, remove and test")
)

// apply returns a patched copy.
func apply(object any, patch []decision.PatchOperation) (any, error) {
	object = runtime.DeepCopyJSONValue(object)
	for _, operation := range patch {
		var err error
		if object, err = applyOne(object, operation); err != nil {
			return nil, &PatchError{Op: operation.Op, Path: operation.Path, Reason: err}
		}
	}
	return object, nil
}

func applyOne(object any, operation decision.PatchOperation) (any, error) {
	path, err := pointer(operation.Path)
	if err != nil {
		return nil, err
	}
	value, err := normalize(operation.Value)
	if err != nil {
		return nil, err
	}
	switch operation.Op {
	case "add":
		return add(object, path, value)
	case "replace":
		if _, err := get(object, path); err != nil {
			return nil, err
		}
		return setValue(object, path, value)
	case "remove":
		return remove(object, path)
	case "test":
		if found, err := get(object, path); err != nil {
			return nil, err
		} else if !equal(found, value) {
			return nil, ErrDifferent
		}
		return object, nil
	}
	return nil, ErrOperation
}

// pointer splits a JSON Pointer (RFC 6901).
func pointer(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	if path[0] != '/' {
		return nil, errors.New("the path must begin with a slash")
	}
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		segments[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(segment)
	}
	return segments, nil
}

func get(value any, path []string) (any, error) {
	for _, segment := range path {
		switch parent := value.(type) {
		case map[string]any:
			member, found := parent[segment]
			if !found {
				return nil, ErrMissing
			}
			value = member
		case []any:
			i, err := index(segment, len(parent)-1)
			if err != nil {
				return nil, err
			}
			value = parent[i]
		default:
			return nil, ErrMissing
		}
	}
	return value, nil
}

// parentOf returns the value that contains the end of a path, and the last segment. The path must
// not be empty.
func parentOf(whole any, path []string) (parent any, last string, err error) {
	end := len(path) - 1
	parent, err = get(whole, path[:end])
	return parent, path[end], err
}

// setValue sets an existing value or adds a member, and returns the whole.
func setValue(whole any, path []string, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	parent, last, err := parentOf(whole, path)
	if err != nil {
		return nil, err
	}
	switch parent := parent.(type) {
	case map[string]any:
		parent[last] = value
	case []any:
		i, err := index(last, len(parent)-1)
		if err != nil {
			return nil, err
		}
		parent[i] = value
	default:
		return nil, ErrMissing
	}
	return whole, nil
}

func add(whole any, path []string, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	parent, last, err := parentOf(whole, path)
	if err != nil {
		return nil, err
	}
	list, isList := parent.([]any)
	if !isList {
		return setValue(whole, path, value)
	}
	i := len(list)
	if last != "-" {
		if i, err = index(last, len(list)); err != nil {
			return nil, err
		}
	}
	return setValue(whole, path[:len(path)-1], slices.Insert(list, i, value))
}

func remove(whole any, path []string) (any, error) {
	if len(path) == 0 {
		return nil, errors.New("an object cannot be removed as a whole")
	}
	if _, err := get(whole, path); err != nil {
		return nil, err
	}
	parent, last, err := parentOf(whole, path)
	if err != nil {
		return nil, err
	}
	switch parent := parent.(type) {
	case map[string]any:
		delete(parent, last)
	case []any:
		i, err := index(last, len(parent)-1)
		if err != nil {
			return nil, err
		}
		return setValue(whole, path[:len(path)-1], slices.Delete(parent, i, i+1))
	}
	return whole, nil
}

// index parses an index as RFC 6901 defines it: without a sign or leading zeros.
func index(segment string, highest int) (int, error) {
	i, err := strconv.Atoi(segment)
	if err != nil || i < 0 || i > highest || strconv.Itoa(i) != segment {
		return 0, ErrMissing
	}
	return i, nil
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
