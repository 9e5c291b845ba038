package request_test

import (
	"testing"

	"taffrail.dev/webhook/request"
)

func TestController(t *testing.T) {
	owner := func(controller any) any {
		return map[string]any{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": controller}
	}
	theirs := request.Owner{Group: "apps", Kind: "StatefulSet", Name: "db", UID: "1"}
	for name, test := range map[string]struct {
		owners any
		want   request.Owner
	}{
		"none":               {nil, request.Owner{}},
		"no list":            {"text", request.Owner{}},
		"no object":          {[]any{"text"}, request.Owner{}},
		"an owner":           {[]any{owner(false)}, request.Owner{}},
		"an odd owner":       {[]any{owner("true")}, request.Owner{}},
		"its controller":     {[]any{owner(true)}, theirs},
		"the second of them": {[]any{map[string]any{"kind": "Node"}, owner(true)}, theirs},
	} {
		object := map[string]any{"metadata": map[string]any{"ownerReferences": test.owners}}
		if got := request.Controller(object); got != test.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
