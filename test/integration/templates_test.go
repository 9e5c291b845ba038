package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// backend returns the chapter's Deployment, which violates no policy.
func backend(t *testing.T, namespace string, replicas int32, resources corev1.ResourceRequirements) *appsv1.Deployment {
	t.Helper()
	deployment := &appsv1.Deployment{}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(chapter(t, "22_deployment", namespace))
	must(t, err)
	must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object, deployment))
	deployment.Spec.Replicas = &replicas
	deployment.Spec.Template.Spec.Containers[0].Resources = resources
	return deployment
}

func put(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		must(t, cluster.Admin.Client.Create(t.Context(), object))
	}
}

func containerLimits(namespace string, item corev1.LimitRangeItem) *corev1.LimitRange {
	return &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "team-limits"},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}},
	}
}

// What LimitRanger would report to a controller, in an event, is reported when the template is applied.
func TestATemplateIsRefusedForWhatItsPodsWouldBe(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "template", enforced)
	put(t, containerLimits(namespace, corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: quantities("1", "")}))
	large := backend(t, namespace, 1, corev1.ResourceRequirements{Requests: quantities("100m", "64Mi"), Limits: quantities("2", "64Mi")})

	words := deny(t, "over the maximum", cluster.Alice.Create(t.Context(), large))
	for _, want := range []string{"limitrange-fit", "LimitRange/team-limits", `container "backend-app"`, "cpu limit 2 is over the maximum of 1", "resources.limits.cpu"} {
		if !strings.Contains(words, want) {
			t.Errorf("%q is not in:\n%s", want, words)
		}
	}
	// LimitRanger refuses a Pod of this template as well.
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "same"}, Spec: large.Spec.Template.Spec}
	eventually(t, "LimitRanger refuses the Pod", func(ctx context.Context) error {
		err := cluster.Admin.Client.Create(ctx, pod.DeepCopy(), client.DryRunAll)
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "maximum cpu usage per Container is 1") {
			return fmt.Errorf("it says %w", errors.Join(err, errors.New("nothing of a maximum")))
		}
		return nil
	})

	large.Spec.Template.Spec.Containers[0].Resources.Limits = quantities("1", "64Mi")
	admit(t, "at the maximum", cluster.Alice.Create(t.Context(), large))
	podsOf(t, namespace, "app", "backend-app", 1)
}

func TestAStatefulSetIsRefusedForWhatItsClaimsWouldBe(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "claims", enforced)
	put(t, containerLimits(namespace, corev1.LimitRangeItem{
		Type: corev1.LimitTypePersistentVolumeClaim, Max: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
	}))
	template := backend(t, namespace, 1, injected).Spec.Template
	claim := corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("2Gi")}},
		},
	}
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: template.Labels}, Template: template,
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{claim},
		},
	}
	words := deny(t, "too large a claim", cluster.Alice.Create(t.Context(), set))
	for _, want := range []string{"limitrange-fit", "LimitRange/team-limits", "storage request 2Gi is over the maximum of 1Gi", "spec.volumeClaimTemplates[0]"} {
		if !strings.Contains(words, want) {
			t.Errorf("%q is not in:\n%s", want, words)
		}
	}
	set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("1Gi")
	admit(t, "a claim of the right size", cluster.Alice.Create(t.Context(), set))
}

// wantWarning requires one warning of a policy, or none if words is "".
func wantWarning(t *testing.T, what string, warnings []string, policy, words string) {
	t.Helper()
	var found []string
	for _, warning := range warnings {
		if strings.Contains(warning, policy) {
			found = append(found, warning)
		}
	}
	if words == "" && len(found) > 0 || words != "" && (len(found) != 1 || !strings.Contains(found[0], words)) {
		t.Errorf("%s: %s warns %q, want %q", what, policy, found, words)
	}
}

// The quota admits two of three Pods, which only an event would report.
func TestAQuotaTooSmallForAllReplicasIsSaidBeforehand(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "quota", enforced)
	put(t, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "team"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("250m")}},
	})
	three := backend(t, namespace, 3, injected)
	answer := admit(t, "three replicas", cluster.Alice.Create(t.Context(), three))
	wantWarning(t, "three replicas", answer.Warnings, "quota-fit", "250m of 250m requests.cpu left, but 3 Pods need 300m")
	podsOf(t, namespace, "app", "backend-app", 2)

	// Its own two Pods do not count: two fit, although the quota has no room for two more.
	eventually(t, "the quota counts both", func(ctx context.Context) error {
		quota := &corev1.ResourceQuota{}
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "team"}, quota); err != nil {
			return err
		}
		used := quota.Status.Used[corev1.ResourceRequestsCPU]
		if used.MilliValue() != 200 {
			return fmt.Errorf("it counts %s", used.String())
		}
		return nil
	})
	eventually(t, "two replicas fit", func(ctx context.Context) error {
		current := &appsv1.Deployment{}
		must(t, cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(three), current))
		two := int32(2)
		answer := cluster.Alice.Patch(ctx, current, changed(current, func() { current.Spec.Replicas = &two }), client.DryRunAll)
		if strings.Contains(strings.Join(answer.Warnings, "\n"), "for 2 Pods") {
			return fmt.Errorf("warnings %q", answer.Warnings) // the informer may lag behind
		}
		return answer.Err
	})
}

// An autoscaler with at least two replicas overrides a Deployment's single replica.
func TestAnAutoscalerIsAFact(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "autoscaler", enforced)
	single := backend(t, namespace, 1, injected)
	answer := admit(t, "one replica", cluster.Alice.Create(t.Context(), single.DeepCopy(), client.DryRunAll))
	wantWarning(t, "one replica", answer.Warnings, "min-replicas", "1")
	two := int32(2)
	put(t, &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: single.Name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: single.Name},
			MinReplicas:    &two, MaxReplicas: 4,
		},
	})
	answer = admit(t, "one replica and an autoscaler", cluster.Alice.Create(t.Context(), single))
	wantWarning(t, "one replica and an autoscaler", answer.Warnings, "min-replicas", "")
}
