package chart

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	root     = "../.."
	chartDir = root + "/charts/taffrail"
)

// Both versions of helm are built once. Helm 3 differs in how it reads values and words its errors, so tests of
// messages run with both.
var helms = sync.OnceValues(func() ([]*Helm, error) {
	var both []*Helm
	for _, version := range []int{4, 3} {
		h, err := Build(context.Background(), root, version)
		if err != nil {
			return nil, err
		}
		h.chart, err = filepath.Abs(chartDir)
		if err != nil {
			return nil, err
		}
		both = append(both, h)
	}
	return both, nil
})

// everyHelm runs a test with both versions.
func everyHelm(t *testing.T, test func(t *testing.T, h *Helm)) {
	t.Helper()
	t.Parallel()
	watch(t)
	both, err := helms()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range both {
		t.Run(fmt.Sprintf("helm%d", h.Version), func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

// helm4 is for tests that do not depend on the version.
func helm4(t *testing.T) *Helm {
	t.Helper()
	t.Parallel()
	watch(t)
	both, err := helms()
	if err != nil {
		t.Fatal(err)
	}
	return both[0]
}

// watch reads the chart, because go test does not see which files helm reads and would return a cached result.
func watch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(chartDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// release returns a Release as the documentation recommends it.
func release(presets ...string) Release {
	return Release{Name: "taffrail", Namespace: "taffrail-system", Presets: presets}
}

func (r Release) with(set ...string) Release {
	r.Set = append(slices.Clone(r.Set), set...)
	return r
}

// everything enables every object of the chart.
var everything = []string{
	"metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true",
	"networkPolicy.enabled=true", "clientCA.configMap=apiserver-client-ca", "clientCA.names={kube-apiserver}",
	"imagePullSecrets[0].name=registry", "commonLabels.team=platform",
}

// releases returns a Release for every documented way of installing the chart.
func releases() map[string]Release {
	existing := release()
	existing.Values = "certificates: {mode: existing-secret, existingSecret: {name: serving, caBundle: \"-----BEGIN CERTIFICATE-----\\nMA==\\n-----END CERTIFICATE-----\\n\"}}"
	return map[string]Release{
		"default":              release(),
		"audit":                release("audit"),
		"opt-in":               release("opt-in"),
		"eks":                  release("eks"),
		"eks with its own CNI": release("eks", "eks-custom-cni"),
		"cert-manager":         release("eks").with("certificates.mode=cert-manager"),
		"existing Secret":      existing,
		"everything":           release().with(everything...),
		"another name":         {Name: "guard", Namespace: "platform"},
	}
}

func render(t *testing.T, h *Helm, r Release) []*unstructured.Unstructured {
	t.Helper()
	rendered, err := h.Template(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, rendered)
}

func decode(t *testing.T, stream []byte) []*unstructured.Unstructured {
	t.Helper()
	objects, err := Decode(stream)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// find decodes the one object of a kind and name into its Go type. Unknown fields are errors.
func find[T any](t *testing.T, objects []*unstructured.Unstructured, kind, name string) *T {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			typed := new(T)
			strictly(t, object, typed)
			return typed
		}
	}
	var there []string
	for _, object := range objects {
		there = append(there, object.GetKind()+" "+object.GetName())
	}
	t.Fatalf("no %s %s among %s", kind, name, strings.Join(there, ", "))
	return nil
}

func strictly(t *testing.T, object *unstructured.Unstructured, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, into, true); err != nil {
		t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}
