package rego

import (
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
)

// newFix reads the JSON Patch that a finding proposes for the object as it was written. Policies see API
// defaults that the object does not contain, so a fix may add a field to a missing parent: operations that
// create the parents are prepended.
func newFix(value any, original map[string]any) ([]decision.PatchOperation, error) {
	operations, ok := operationsOf(value)
	if !ok {
		var err error
		if operations, err = decodedOperations(value); err != nil {
			return nil, err
		}
	}
	var fix []decision.PatchOperation
	created := map[decision.Pointer]bool{}
	for _, operation := range operations {
		switch operation.Op {
		case "add":
			fix = append(fix, missingParents(original, decision.Pointer(operation.Path), created)...)
		case "replace", "remove", "test":
		default:
			return nil, fmt.Errorf("fix has the operation %q: use add, replace, remove or test", operation.Op)
		}
		fix = append(fix, operation)
	}
	return fix, nil
}

// operationsOf reads a JSON Patch that is written as all are: a list of objects with the fields op, path and value. ok is
// false for what only a decoder can tell to be one or not.
func operationsOf(value any) (operations []decision.PatchOperation, ok bool) {
	plain, _ := compile.JSON(value)
	list, ok := plain.([]any)
	if !ok {
		return nil, false
	}
	operations = make([]decision.PatchOperation, len(list))
	for i, element := range list {
		members, _ := element.(map[string]any)
		operation := &operations[i]
		operation.Op, _ = members["op"].(string)
		operation.Path, ok = members["path"].(string)
		fields := 2
		if value, has := members["value"]; has {
			operation.Value = value
			fields++
		}
		if !ok || operation.Op == "" || len(members) != fields {
			return nil, false
		}
	}
	return operations, true
}

func decodedOperations(value any) (operations []decision.PatchOperation, err error) {
	plain, err := ast.JSON(compile.ToAST(value))
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(encoded, &operations); err != nil {
		return nil, fmt.Errorf("fix is not a JSON Patch: %w", err)
	}
	return operations, nil
}

// missingParents returns operations that create the missing or null members on the way to a pointer. It never
// creates list elements, which would shift the others.
func missingParents(object map[string]any, pointer decision.Pointer, created map[decision.Pointer]bool) []decision.PatchOperation {
	var operations []decision.PatchOperation
	segments := pointer.Segments()
	var at any = object
	var parent decision.Pointer
	for _, segment := range segments[:max(len(segments)-1, 0)] {
		_, isMap := at.(map[string]any)
		creatable := isMap || at == nil
		if at = decision.Member(at, segment); at == nil && !creatable {
			return operations
		}
		if parent = parent.Join(segment); at == nil && !created[parent] {
			created[parent] = true
			operations = append(operations, decision.PatchOperation{Op: "add", Path: string(parent), Value: map[string]any{}})
		}
	}
	return operations
}
