package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What is added to a Pod through its subresources is decided too: a rule for pods alone would miss it.
func TestSubresourcesOfPods(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "subresources", enforced)
	pod := podOf(namespace, "running", app("main", corev1.ResourceRequirements{}))
	admit(t, "a Pod", cluster.Alice.Create(t.Context(), pod))

	debug := func(image string) *corev1.Pod {
		with := stored(t, pod)
		with.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: image},
		}}
		return with
	}
	// The role edit does not include permission to debug.
	words := deny(t, "a debug container", cluster.Admin.UpdateSubresource(t.Context(), "ephemeralcontainers", pod, debug("busybox")))
	if want := "Pod/ephemeralcontainers " + namespace + "/running is denied by 1 policy:\n" + `- image-tag, container "debug"`; !strings.HasPrefix(words, want) {
		t.Errorf("denied for:\n%s", words)
	}
	admit(t, "a debug container", cluster.Admin.UpdateSubresource(t.Context(), "ephemeralcontainers", pod, debug("busybox:1.37")))

	resized := stored(t, pod)
	resized.Spec.Containers[0].Resources.Requests = quantities("150m", "512Mi")
	answer := admit(t, "a resize", cluster.Admin.UpdateSubresource(t.Context(), "resize", pod, resized))
	if notes := annotations(t, answer); len(notes) > 0 || len(answer.Warnings) > 0 {
		t.Errorf("a resize is commented on: %v, %q", notes, answer.Warnings)
	}
	want := *injected.DeepCopy()
	want.Requests = quantities("150m", "512Mi")
	wantResources(t, "resized", stored(t, pod).Spec.Containers[0].Resources, want)

	// The image of a Pod itself can be changed.
	change := client.RawPatch("application/strategic-merge-patch+json",
		[]byte(`{"spec":{"containers":[{"name":"main","image":"registry.example/app:latest"}]}}`))
	if words := deny(t, "another image", cluster.Alice.Patch(t.Context(), pod, change)); !strings.Contains(words, `image-tag, container "main"`) {
		t.Errorf("denied for:\n%s", words)
	}
}
