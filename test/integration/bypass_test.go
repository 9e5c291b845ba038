package integration

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
)

// Known ways to bypass admission engines, from their advisories, as far as other files do not test them: removal of labels
// is tested in relax_test.go, subresources in subresources_test.go, terminating objects in tolerate_existing_test.go,
// spoofed owners and forged revisions in trust_test.go and revisions_test.go, shadowed packages in configuration_test.go.

// Two Exemptions that each cover half of an object do not add up.
func TestBypassByCombiningExemptions(t *testing.T) {
	t.Parallel()
	namespace, other := newNamespace(t, "combined", enforced), newNamespace(t, "combined-other", enforced)
	hour := time.Now().Add(time.Hour)
	for _, change := range []func(*v1alpha1.ExemptionSpec){
		func(s *v1alpha1.ExemptionSpec) { s.Names = []string{"other"} },
		func(s *v1alpha1.ExemptionSpec) { s.Kinds = []string{"StatefulSet"} },
		func(s *v1alpha1.ExemptionSpec) { s.Containers = []string{"other"} },
		func(s *v1alpha1.ExemptionSpec) { s.Namespaces = []string{other} },
		func(s *v1alpha1.ExemptionSpec) { s.Policies = []string{"min-replicas"} },
	} {
		for range 2 { // and a duplicate of each
			e := nginxExemption("combined", namespace, hour)
			change(&e.Spec)
			putExemption(t, e)
		}
	}
	words := deny(t, "nginx", cluster.Alice.Create(t.Context(), chapter(t, "01_nginx", namespace), client.DryRunAll))
	if !strings.Contains(words, "denied by 3 policies") {
		t.Errorf("denied for:\n%s", words)
	}
}

// An editor of a namespace cannot write an Exemption, which would be cluster-wide.
func TestBypassByWritingAnExemption(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "own-exemption", enforced)
	for _, object := range []client.Object{
		nginxExemption("own", namespace, time.Now().Add(time.Hour)), binding("own", "x", "image-tag"), ownPolicy("own", wants("team")),
	} {
		if err := cluster.Alice.Client.Create(t.Context(), object); err == nil || !strings.Contains(err.Error(), "is forbidden") {
			t.Errorf("%T: %v", object, err)
		}
	}
	// Nor does an annotation on the object itself exempt it.
	pod := podOf(namespace, "exempted", corev1.Container{Name: "main", Image: "nginx"})
	pod.Labels["taffrail.dev/exempt"], pod.Annotations["taffrail.dev/exemption"] = "true", "legacy"
	deny(t, "a Pod that says it is exempted", cluster.Alice.Create(t.Context(), pod, client.DryRunAll))
}

// An object that is too large to be inspected is refused if a policy is enforced, and not admitted because of
// an error.
func TestBypassByHugeAndDeepObjects(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "huge", enforced)
	many := podOf(namespace, "many")
	for i := range 501 {
		many.Spec.Containers = append(many.Spec.Containers, corev1.Container{Name: "c" + strings.Repeat("x", i%40) + string(rune('a'+i%26)) + strings.Repeat("y", i/26), Image: "nginx"})
	}
	words := deny(t, "501 containers", cluster.Alice.Create(t.Context(), many, client.DryRunAll))
	if !strings.Contains(words, "the Pod has more than 500 containers") {
		t.Errorf("denied for:\n%s", words)
	}
	// Up to the API server's limit, size hides nothing.
	large := podOf(namespace, "large", corev1.Container{Name: "main", Image: "nginx", Args: []string{strings.Repeat("x", 1<<20)}})
	if words := deny(t, "a MiB of arguments", cluster.Alice.Create(t.Context(), large, client.DryRunAll)); !strings.Contains(words, `image-tag, container "main"`) {
		t.Errorf("denied for:\n%s", words)
	}
	last := podOf(namespace, "last")
	for i := range 200 {
		last.Spec.Containers = append(last.Spec.Containers, corev1.Container{Name: "c" + strings.Repeat("x", i%50) + strings.Repeat("y", i/50), Image: "nginx:1.27.3"})
	}
	last.Spec.Containers[199].Image = "nginx"
	if words := deny(t, "the last of 200 containers", cluster.Alice.Create(t.Context(), last, client.DryRunAll)); strings.Count(words, "image-tag") != 1 {
		t.Errorf("denied for:\n%s", words)
	}
}

// The same object in another version, or written with another verb, is decided alike.
func TestBypassByAnotherWayToWrite(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "other-ways", enforced)
	object, ok := chapter(t, "01_nginx", namespace).(*unstructured.Unstructured)
	if !ok {
		t.Fatal("not unstructured")
	}
	applied := object.DeepCopy()
	err := cluster.Alice.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("test"))
	if err == nil || !strings.Contains(err.Error(), "denied the request") {
		t.Errorf("server-side apply: %v", err)
	}
	generated := podOf(namespace, "", corev1.Container{Name: "main", Image: "nginx"})
	generated.GenerateName = "any-"
	if words := deny(t, "generateName", cluster.Alice.Create(t.Context(), generated, client.DryRunAll)); !strings.HasPrefix(words, "Pod "+namespace+"/any-") {
		t.Errorf("denied for:\n%s", words)
	}
}
