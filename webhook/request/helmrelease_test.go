package request_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/request"
)

func packed(t *testing.T, text string, change func(*gzip.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	change(w)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A Secret counts as a Helm release only if its encoding is exactly Helm's, without additions: a release is not
// inspected, so it could hide anything.
func TestHelmReleases(t *testing.T) {
	const release = `{"name":"web","info":{"status":"deployed"}}`
	same := func(*gzip.Writer) {}
	encoded := func(data []byte) string {
		return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(data)))
	}
	right := packed(t, release, same)
	damaged := bytes.Clone(right)
	damaged[len(damaged)-5]++
	long := packed(t, release+strings.Repeat(" ", 5<<20), same)
	exact := packed(t, release+strings.Repeat(" ", 4<<20-len(release)), same)
	secret := schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	for name, c := range map[string]struct {
		kind       schema.GroupVersionKind
		secretType any
		release    any
		want       bool
	}{
		"as Helm writes it":          {secret, "helm.sh/release.v1", encoded(right), true},
		"longer than is looked at":   {secret, "helm.sh/release.v1", encoded(long), true},
		"as long as is looked at":    {secret, "helm.sh/release.v1", encoded(exact), true},
		"of another type":            {secret, "Opaque", encoded(right), false},
		"of no type":                 {secret, nil, encoded(right), false},
		"another kind":               {schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, "helm.sh/release.v1", encoded(right), false},
		"another group":              {schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Secret"}, "helm.sh/release.v1", encoded(right), false},
		"encoded once":               {secret, "helm.sh/release.v1", base64.StdEncoding.EncodeToString(right), false},
		"not encoded":                {secret, "helm.sh/release.v1", "not base64!", false},
		"not packed":                 {secret, "helm.sh/release.v1", encoded([]byte(release)), false},
		"nothing":                    {secret, "helm.sh/release.v1", "", false},
		"no text":                    {secret, "helm.sh/release.v1", int64(7), false},
		"with a comment":             {secret, "helm.sh/release.v1", encoded(packed(t, release, func(w *gzip.Writer) { w.Comment = "hunter2" })), false},
		"with a name":                {secret, "helm.sh/release.v1", encoded(packed(t, release, func(w *gzip.Writer) { w.Name = "hunter2" })), false},
		"with more in its header":    {secret, "helm.sh/release.v1", encoded(packed(t, release, func(w *gzip.Writer) { w.Extra = []byte("hunter2") })), false},
		"with more behind it":        {secret, "helm.sh/release.v1", encoded(append(bytes.Clone(right), "hunter2"...)), false},
		"with another behind it":     {secret, "helm.sh/release.v1", encoded(append(bytes.Clone(right), right...)), false},
		"cut":                        {secret, "helm.sh/release.v1", encoded(right[:len(right)-9]), false},
		"damaged":                    {secret, "helm.sh/release.v1", encoded(damaged), false},
		"that begins otherwise":      {secret, "helm.sh/release.v1", encoded(packed(t, `{"info":{},"name":"web"}`, same)), false},
		"that is no more than begun": {secret, "helm.sh/release.v1", encoded(packed(t, `{"na`, same)), false},
	} {
		object := map[string]any{"metadata": map[string]any{"name": "s"}, "data": map[string]any{"release": c.release}}
		if c.secretType != nil {
			object["type"] = c.secretType
		}
		r, err := request.Live(object, c.kind)
		if err != nil || r.HelmRelease != c.want {
			t.Errorf("%s: got %v, %v", name, r.HelmRelease, err)
		}
	}
}

func TestKindsThatRevisionsAreDecidedAs(t *testing.T) {
	if got := fmt.Sprint(request.RevisedKinds()); got != "[apps/v1, Kind=StatefulSet apps/v1, Kind=DaemonSet]" {
		t.Errorf("got %s", got)
	}
	for text, want := range map[string]bool{"ControllerRevision.apps": true, "ControllerRevision": false, "ReplicaSet.apps": false} {
		if got := request.IsRevision(schema.ParseGroupKind(text)); got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
}
