package rego

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/decision"
)

// newFix reads the JSON Patch that a finding proposes for the object as its writer has
// it. Policies see API defaults that are not written there, so a fix may add to a parent
// that is missing: the operations that create it are put in front.
func newFix(value ast.Value, original map[string]any) ([]decision.PatchOperation, error) {
	plain, err := ast.JSON(value)
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	var operations []decision.PatchOperation
	if err := json.Unmarshal(encoded, &operations); err != nil {
		return nil, fmt.Errorf("fix is no JSON Patch: %w", err)
	}
	var fix []decision.PatchOperation
	created := map[string]bool{}
	for _, operation := range operations {
		switch operation.Op {
		case "add":
			fix = append(fix, missingParents(original, operation.Path, created)...)
		case "replace", "remove", "test":
		default:
			return nil, fmt.Errorf("fix has the operation %q: use add, replace, remove or test", operation.Op)
		}
		fix = append(fix, operation)
	}
	return fix, nil
}

// missingParents creates the members on the way to a pointer that are missing or null.
// Nothing is created inside a list, where a missing element would move others.
func missingParents(object map[string]any, pointer string, created map[string]bool) []decision.PatchOperation {
	var operations []decision.PatchOperation
	segments := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	var at any = object
	for i, segment := range segments[:len(segments)-1] {
		switch parent := at.(type) {
		case map[string]any:
			at = parent[unescape(segment)]
		case []any:
			index, err := strconv.Atoi(segment)
			if err != nil || index < 0 || index >= len(parent) {
				return operations
			}
			at = parent[index]
		case nil:
		default:
			return operations
		}
		if path := "/" + strings.Join(segments[:i+1], "/"); at == nil && !created[path] {
			created[path] = true
			operations = append(operations, decision.PatchOperation{Op: "add", Path: path, Value: map[string]any{}})
		}
	}
	return operations
}

// unescape reads a segment of a JSON Pointer (RFC 6901).
func unescape(segment string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(segment)
}
