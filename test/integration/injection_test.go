package integration

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// quantities returns a list of cpu and memory; "" omits one.
func quantities(cpu, memory string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for name, value := range map[corev1.ResourceName]string{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
		if value != "" {
			list[name] = resource.MustParse(value)
		}
	}
	return list
}

// wantResources compares values, so that 1000m equals 1.
func wantResources(t *testing.T, what string, got, want corev1.ResourceRequirements) {
	t.Helper()
	text := func(list corev1.ResourceList) map[string]string {
		texts := map[string]string{}
		for name, quantity := range list {
			texts[string(name)] = quantity.String()
		}
		return texts
	}
	for list, pair := range map[string][2]corev1.ResourceList{
		"requests": {want.Requests, got.Requests}, "limits": {want.Limits, got.Limits},
	} {
		if diff := diff(text(pair[0]), text(pair[1])); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", what, list, diff)
		}
	}
}

// injected is what inject-resources fills in without a LimitRange.
var injected = corev1.ResourceRequirements{Requests: quantities("100m", "512Mi"), Limits: quantities("250m", "768Mi")}

// stored reads a Pod back.
func stored(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	read := &corev1.Pod{}
	must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKeyFromObject(pod), read))
	return read
}

// app returns a container of a Pod that runs once, and therefore needs neither probes nor a hook.
func app(name string, resources corev1.ResourceRequirements) corev1.Container {
	return corev1.Container{Name: name, Image: "registry.example/app:1.0.0", Resources: resources}
}

func podOf(namespace, name string, containers ...corev1.Container) *corev1.Pod {
	pod := harness.ProbePod(namespace, "")
	pod.Name, pod.Spec.Containers = name, containers
	return pod
}

// Every container gets what it lacks and keeps what it has, including sidecars and init containers.
func TestPodsAreFilled(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "fill", enforced)
	always := corev1.ContainerRestartPolicyAlways
	pod := podOf(namespace, "fill",
		app("empty", corev1.ResourceRequirements{}),
		app("own", corev1.ResourceRequirements{Requests: quantities("10m", "16Mi"), Limits: quantities("20m", "32Mi")}),
		app("limit", corev1.ResourceRequirements{Limits: quantities("50m", "")}),
		app("request", corev1.ResourceRequirements{Requests: quantities("2", "")}),
	)
	pod.Spec.InitContainers = []corev1.Container{app("init", corev1.ResourceRequirements{}), app("sidecar", corev1.ResourceRequirements{})}
	pod.Spec.InitContainers[1].RestartPolicy = &always
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}}
	probe.TCPSocket.Port.IntVal = 8080
	pod.Spec.InitContainers[1].ReadinessProbe, pod.Spec.InitContainers[1].LivenessProbe = probe, probe

	answer := admit(t, "a Pod without resources", cluster.Alice.Create(t.Context(), pod))
	if len(answer.Warnings) > 0 {
		t.Errorf("warnings %q", answer.Warnings)
	}
	got := stored(t, pod)
	for _, container := range append(got.Spec.InitContainers, got.Spec.Containers...) {
		want := injected
		switch container.Name {
		case "own":
			want = corev1.ResourceRequirements{Requests: quantities("10m", "16Mi"), Limits: quantities("20m", "32Mi")}
		case "limit": // the API server copies the limit to the missing request
			want = corev1.ResourceRequirements{Requests: quantities("50m", "512Mi"), Limits: quantities("50m", "768Mi")}
		case "request": // no limit below it is filled in
			want = corev1.ResourceRequirements{Requests: quantities("2", "512Mi"), Limits: quantities("2", "768Mi")}
		}
		wantResources(t, container.Name, container.Resources, want)
	}
	wantNothingChanged(t, got)
}

// wantNothingChanged creates the stored Pod's spec once more: a second pass must not fill in anything.
func wantNothingChanged(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	again := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name + "-again", Labels: pod.Labels, Annotations: pod.Annotations},
		Spec:       *pod.Spec.DeepCopy(),
	}
	answer := admit(t, "the stored Pod again", cluster.Alice.Create(t.Context(), again, client.DryRunAll))
	if diff := diff(pod.Spec, again.Spec); diff != "" {
		t.Errorf("a second pass changes the Pod:\n%s", diff)
	}
	if notes := annotations(t, answer); len(notes) > 0 {
		t.Errorf("a second pass has something to say: %v", notes)
	}
}

// LimitRanger runs before webhooks, so what it sets is not a gap. Remaining gaps are filled within the bounds.
func TestLimitRangeComesFirst(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "limitrange", enforced)
	must(t, cluster.Admin.Client.Create(t.Context(), &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "limits"},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type:           corev1.LimitTypeContainer,
			Default:        quantities("400m", ""),
			DefaultRequest: quantities("200m", "64Mi"),
			// The limit to be filled in is 768Mi, which is twelve times the request.
			MaxLimitRequestRatio: quantities("", "2"),
		}}},
	}))
	pod := podOf(namespace, "bounded", app("main", corev1.ResourceRequirements{}))
	eventually(t, "the LimitRanger to know the LimitRange", func(ctx context.Context) error {
		return limitRanged(ctx, pod.DeepCopy())
	})
	admit(t, "a Pod without resources", cluster.Alice.Create(t.Context(), pod))
	got := stored(t, pod)
	wantResources(t, "main", got.Spec.Containers[0].Resources, corev1.ResourceRequirements{
		Requests: quantities("200m", "64Mi"), Limits: quantities("400m", "128Mi"),
	})
	wantNothingChanged(t, got)

	// A LimitRange that sets everything leaves nothing to inject.
	full := podOf(namespace, "full", app("main", corev1.ResourceRequirements{Limits: quantities("", "100Mi")}))
	answer := admit(t, "a Pod with a memory limit", cluster.Alice.Create(t.Context(), full))
	wantResources(t, "full", stored(t, full).Spec.Containers[0].Resources, corev1.ResourceRequirements{
		Requests: quantities("200m", "100Mi"), Limits: quantities("400m", "100Mi"),
	})
	if notes := annotations(t, answer); len(notes) > 0 {
		t.Errorf("something was filled in: %v", notes)
	}
}

// A gap that cannot be filled remains, and the author is warned with the reason.
func TestGapThatCannotBeFilled(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "gap", enforced)
	must(t, cluster.Admin.Client.Create(t.Context(), &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "pod-limits"},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: quantities("1", "")}}},
	}))
	large := app("large", corev1.ResourceRequirements{Requests: quantities("100m", "64Mi"), Limits: quantities("900m", "64Mi")})
	tooLarge := *large.DeepCopy()
	tooLarge.Resources.Limits = quantities("1100m", "64Mi")
	eventually(t, "the LimitRanger to know the LimitRange", func(ctx context.Context) error {
		answer := cluster.Alice.Create(ctx, podOf(namespace, "refused", tooLarge), client.DryRunAll)
		if answer.Err == nil {
			return errors.New("more than the maximum is admitted")
		}
		return nil
	})
	answer := cluster.Alice.Create(t.Context(), podOf(namespace, "gap", large, app("small", corev1.ResourceRequirements{})))
	words := deny(t, "a limit of 900m, and one of 250m to be filled in", answer)
	if !strings.Contains(words, `require-resources, container "small": there is no CPU limit`) || strings.Contains(words, "there is no CPU request") {
		t.Errorf("denied for:\n%s", words)
	}
	if why := strings.Join(answer.Warnings, "\n"); !strings.Contains(why, "LimitRange/pod-limits") {
		t.Errorf("the writer is not told why the gap is not filled: %q, %v", answer.Warnings, annotations(t, answer))
	}
}

// limitRanged reports whether LimitRanger, which also depends on a watch, acts in the Pod's namespace.
func limitRanged(ctx context.Context, pod *corev1.Pod) error {
	if answer := cluster.Alice.Create(ctx, pod, client.DryRunAll); answer.Err != nil {
		return answer.Err
	}
	if _, acted := pod.Annotations["kubernetes.io/limit-ranger"]; !acted {
		return errors.New("the Pod has no kubernetes.io/limit-ranger annotation")
	}
	return nil
}
