package replay

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"taffrail.dev/webhook/decision"
)

// What is inserted into a text is what a JSON Patch adds. Everything else is left to a JSON Patch.
func TestInsert(t *testing.T) {
	const text = ` {"kind":"Pod", "spec":{"containers":[{}, { "name":"a","resources":{"limits":{"cpu":"1"}}}],"a/b":{},"list":[]}} `
	for _, test := range []struct {
		operation decision.PatchOperation
		inserted  bool
	}{
		{decision.PatchOperation{Op: "add", Path: "/spec/containers/1/resources/limits/memory", Value: "1Gi"}, true},
		{decision.PatchOperation{Op: "add", Path: "/spec/containers/1/resources/requests", Value: map[string]any{"cpu": "1"}}, true},
		{decision.PatchOperation{Op: "add", Path: "/spec/containers/0/resources", Value: map[string]any{"limits": map[string]any{"cpu": "<1>"}}}, true},
		{decision.PatchOperation{Op: "add", Path: "/spec/a~1b/c", Value: "d"}, true},
		{decision.PatchOperation{Op: "add", Path: "/spec/containers/1/resources", Value: map[string]any{}}, false}, // it is there
		{decision.PatchOperation{Op: "add", Path: "/spec/list/0", Value: "x"}, false},
		{decision.PatchOperation{Op: "replace", Path: "/kind", Value: "x"}, false},
	} {
		patched, ok := insertAll([]byte(text), []decision.PatchOperation{test.operation})
		if ok != test.inserted {
			t.Errorf("%+v: %v", test.operation, ok)
		}
		if !ok {
			continue
		}
		encoded, err := json.Marshal([]decision.PatchOperation{test.operation})
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := jsonpatch.DecodePatch(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := applyJSON([]byte(text), decoded); err != nil || !jsonpatch.Equal(patched, want) {
			t.Errorf("%v: %s, want %s", err, patched, want)
		}
	}
}
