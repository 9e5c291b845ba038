package request_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// LiveJSON makes the same of a text as Live makes of the object in it.
func TestLiveJSON(t *testing.T) {
	for text, kind := range map[string]schema.GroupVersionKind{
		storedPod: {Version: "v1", Kind: "Pod"},
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","namespace":"n"},"spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"a","image":"b:1","resources":{"limits":{"cpu":"1500m"}}}]}}}}`: {Group: "apps", Version: "v1", Kind: "Deployment"},
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"n"},"data":{"a":"Yg=="},"type":"Opaque"}`:                                                                                                   {Version: "v1", Kind: "Secret"},
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n","labels":{"a":"b"}}}`:                                                                                                                                 {Version: "v1", Kind: "Namespace"},
		`{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"t"},"spec":{"ratio":0.5,"big":1e300}}`:                                                                                                           {Group: "example.com", Version: "v1", Kind: "Thing"},
	} {
		var object map[string]any
		if err := kjson.UnmarshalCaseSensitivePreserveInts([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
		want, err := request.Live(object, kind)
		if err != nil {
			t.Fatal(err)
		}
		got, err := request.LiveJSON([]byte(text), kind)
		if err != nil {
			t.Fatal(err)
		}
		ignored := cmpopts.IgnoreFields(decision.Request{}, "BodyBytes")
		if diff := cmp.Diff(want, got, ignored, cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Errorf("%s: -Live +LiveJSON:\n%s", text, diff)
		}
		if got.BodyBytes != int64(len(text)) {
			t.Errorf("%s: %d bytes", text, got.BodyBytes)
		}
	}
}

// Whoever reads the next object into the same buffer changes nothing of a request.
func TestLiveJSONKeepsNothingOfTheText(t *testing.T) {
	text := []byte(storedPod)
	r, err := request.LiveJSON(text, schema.GroupVersionKind{Version: "v1", Kind: "Pod"})
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	after, err := json.Marshal(r.Object)
	if err != nil || r.Name != "web" || r.Namespace.Name != "shop" || strings.Contains(string(after), "\u0000") || !strings.Contains(string(after), "nginx") {
		t.Errorf("%s, %v", after, err)
	}
}

// An item of a typed list does not say what it is. Policies read it in every object.
func TestLiveJSONNamesTheKind(t *testing.T) {
	r, err := request.LiveJSON([]byte(`{"metadata":{"name":"web"}}`), schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
	if err != nil || r.Object["kind"] != "Deployment" || r.Object["apiVersion"] != "apps/v1" {
		t.Errorf("%v, %v", r.Object, err)
	}
}

func TestLiveJSONFindsAmbiguities(t *testing.T) {
	r, err := request.LiveJSON([]byte(`{"data":{"spec":1,"spec":2}}`), schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ControllerRevision"})
	if err != nil || !strings.Contains(r.Ambiguous, `"spec" occurs twice`) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLiveJSONRefuses(t *testing.T) {
	kind := schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	for name, text := range map[string]string{
		"nothing": "", "a list": "[]", "null": "null", "cut": `{"a":`, "two objects": `{}{}`, "a name twice": `{"a":1,"a":2}`,
	} {
		_, err := request.LiveJSON([]byte(text), kind)
		if malformed, ok := errors.AsType[*request.MalformedError](err); !ok || malformed.What != "object" {
			t.Errorf("%s: %v", name, err)
		}
	}
	deep := strings.Repeat(`{"a":`, request.MaxDepth+1) + "1" + strings.Repeat("}", request.MaxDepth+1)
	long := `{"a":"` + strings.Repeat("x", request.MaxBytes) + `"}`
	for what, text := range map[string]string{"depth": deep, "size": long} {
		_, err := request.LiveJSON([]byte(text), kind)
		if limit, ok := errors.AsType[*request.LimitError](err); !ok || limit.What != what {
			t.Errorf("%s: %v", what, err)
		}
	}
}
