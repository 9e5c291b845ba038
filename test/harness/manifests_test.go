package harness

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
)

// The rules of the webhooks name exactly the kinds of the policies: a kind that is not named is never decided,
// and one that is named needlessly delays its writes.
func TestRulesNameTheKindsOfTheLibrary(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, policy := range catalog.Policies() {
		for _, kind := range policy.Kinds {
			// It guesses right for all of these kinds.
			plural, _ := meta.UnsafeGuessKindToResource(kind.WithVersion("v1"))
			named[strings.TrimSuffix(plural.Resource+"."+plural.Group, ".")] = true
		}
	}
	if named["daemonsets.apps"] {
		named["controllerrevisions.apps"] = true // decided as a DaemonSet
	}
	ruled := map[string]bool{}
	for _, hook := range validating(t, Registration{Name: "test"}).Webhooks {
		for _, rule := range hook.Rules {
			for _, operation := range rule.Operations {
				if operation != admissionregistrationv1.Create && operation != admissionregistrationv1.Update {
					t.Errorf("%s is matched", operation)
				}
			}
			for _, resource := range rule.Resources {
				// A Binding is decided as the Pod that it annotates.
				if !strings.Contains(resource, "/") && resource != "bindings" {
					ruled[strings.TrimSuffix(resource+"."+rule.APIGroups[0], ".")] = true
				}
			}
		}
	}
	want, got := slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(ruled))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-kinds of the policies +rules:\n%s", diff)
	}
}

func validating(t *testing.T, r Registration) *admissionregistrationv1.ValidatingWebhookConfiguration {
	t.Helper()
	objects, err := r.objects()
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object, ok := object.(*unstructured.Unstructured); ok && object.GetKind() == "ValidatingWebhookConfiguration" {
			typed := &admissionregistrationv1.ValidatingWebhookConfiguration{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, typed, true); err != nil {
				t.Fatal(err)
			}
			return typed
		}
	}
	t.Fatal("there is no ValidatingWebhookConfiguration")
	return nil
}

// Without the programs the tests fail, and report what to do.
func TestAssetsAreRequired(t *testing.T) {
	all := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}
	wants := map[string]string{"": "is not set"}
	for i, missing := range all {
		incomplete := t.TempDir()
		for _, program := range slices.Delete(slices.Clone(all), i, i+1) {
			if err := os.WriteFile(filepath.Join(incomplete, program), nil, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		wants[incomplete] = "has no " + missing
	}
	for dir, want := range wants {
		t.Setenv("KUBEBUILDER_ASSETS", dir)
		_, err := Start(t.Context(), Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "test/controlplane/assets.sh") {
			t.Errorf("KUBEBUILDER_ASSETS=%q: %v", dir, err)
		}
	}
}

// Every one of the chapter's manifests can be filled in.
func TestChapterIsFilledIn(t *testing.T) {
	root, err := Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := Chapter(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, manifest := range manifests {
		if _, err := manifest.Object(); err != nil {
			t.Error(err)
		}
		if strings.Contains(string(manifest.Content), "${") {
			t.Errorf("%s: a variable is left", manifest.File)
		}
	}
}
