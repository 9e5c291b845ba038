package normalize_test

import (
	"testing"

	"taffrail.dev/webhook/normalize"
)

func TestController(t *testing.T) {
	owner := func(controller any) any {
		return map[string]any{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": controller}
	}
	theirs := normalize.Owner{Group: "apps", Kind: "StatefulSet", Name: "db", UID: "1"}
	for name, test := range map[string]struct {
		owners any
		want   normalize.Owner
	}{
		"none":               {nil, normalize.Owner{}},
		"no list":            {"text", normalize.Owner{}},
		"no object":          {[]any{"text"}, normalize.Owner{}},
		"an owner":           {[]any{owner(false)}, normalize.Owner{}},
		"an odd owner":       {[]any{owner("true")}, normalize.Owner{}},
		"its controller":     {[]any{owner(true)}, theirs},
		"the second of them": {[]any{map[string]any{"kind": "Node"}, owner(true)}, theirs},
	} {
		object := map[string]any{"metadata": map[string]any{"ownerReferences": test.owners}}
		if got := normalize.Controller(object); got != test.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
