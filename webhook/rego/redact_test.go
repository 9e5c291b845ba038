package rego_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// A user's policy that quotes values reveals no credential, and no value of a Secret at all. Violations that
// differ only in a credential are still distinct.
func TestUsersPoliciesTellNoCredentials(t *testing.T) {
	const secret = "hunter2 of the shop"
	encoded := base64.StdEncoding.EncodeToString([]byte(secret))
	source := user("b-quoting", `deny contains {"msg": sprintf("%v", [value]), "path": sprintf("data[%v]", [value]), "key": value, "unknown": value} if some value in values

values contains value if some value in input.object.data

values contains base64.decode(value) if {
	input.kind == "Secret"
	some value in input.object.data
}`)
	catalog, bad := userLibrary(t).With(map[string]string{"b-quoting": strings.Replace(source, "[ConfigMap]", "[ConfigMap, Secret]", 1)})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	request := func(kind, value string) *decision.Request {
		r := configMap(map[string]any{"a": value})
		r.Kind = schema.GroupVersionKind{Version: "v1", Kind: kind}
		return r
	}
	digests := map[[32]byte]bool{}
	for _, r := range []*decision.Request{
		request("ConfigMap", "user:hunter2@registry.example/app"), request("ConfigMap", "user:hunter2-too@registry.example/app"),
		request("ConfigMap", "user:with blanks hunter2@registry.example/app"),
	} {
		violations := decide(t, catalog, r)["b-quoting"].Violations
		if len(violations) != 1 {
			t.Fatalf("%d findings", len(violations))
		}
		v := violations[0]
		if text := fmt.Sprintf("%s %s %s %s", v.Message, v.Path, v.Key, v.Unknown); strings.Contains(text, "hunter2") || v.Key != "***@registry.example/app" {
			t.Errorf("got %s", text)
		}
		digests[v.Digest] = true
	}
	if len(digests) != 3 {
		t.Errorf("%d distinct violations", len(digests))
	}
	violations := decide(t, catalog, request("Secret", encoded))["b-quoting"].Violations
	if len(violations) != 2 {
		t.Fatalf("%d findings about the Secret", len(violations))
	}
	for _, v := range violations {
		if text := fmt.Sprintf("%s %s %s %s", v.Message, v.Path, v.Key, v.Unknown); strings.Contains(text, "hunter2") || strings.Contains(text, encoded) {
			t.Errorf("got %s", text)
		}
	}
}
