package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
)

// oldNamespaces creates namespaces that are old enough for their facts to come from informers.
func oldNamespaces(t *testing.T, name string, n int) []string {
	t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = unique(fmt.Sprintf("%s-%d", name, i))
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names[i], Labels: map[string]string{"test.taffrail.dev/late": name}}}
		must(t, cluster.Admin.Client.Create(t.Context(), object))
	}
	eventually(t, "the namespaces to be old", func(ctx context.Context) error {
		last := &corev1.Namespace{}
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Name: names[n-1]}, last); err != nil {
			return err
		}
		for _, name := range names {
			if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Namespace: name, Name: "default"}, &corev1.ServiceAccount{}); err != nil {
				return err
			}
		}
		if age := time.Since(last.CreationTimestamp.Time); age < 12*time.Second {
			return fmt.Errorf("%s old", age)
		}
		return nil
	})
	return names
}

// injectingAlone denies nothing, so any refusal is the API server's.
func injectingAlone(name string) *v1alpha1.Guardrail {
	g := injecting(name, "")
	g.Spec.Policies = []v1alpha1.PolicyBinding{{Name: "inject-resources"}}
	return g
}

// A Pod filled according to a previous LimitRange would be refused because of the current one, which no
// informer may know yet.
func TestInjectionKnowsTheLimitRangesOfThisMoment(t *testing.T) {
	t.Parallel()
	putGuardrail(t, injectingAlone("fresh-limits"))
	for _, namespace := range oldNamespaces(t, "fresh-limits", 60) {
		must(t, cluster.Admin.Client.Create(t.Context(), &corev1.LimitRange{
			ObjectMeta: objectMeta(namespace, "limits"),
			Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: quantities("1", "")}}},
		}))
		pod := podOf(namespace, "web",
			app("large", corev1.ResourceRequirements{Requests: quantities("100m", "64Mi"), Limits: quantities("900m", "64Mi")}),
			app("small", corev1.ResourceRequirements{}))
		if answer := cluster.Admin.Create(t.Context(), pod); answer.Err != nil {
			t.Errorf("%s: a Pod is refused that was none of Taffrail's business: %v", namespace, answer.Err)
		}
	}
}

// The same with an exhausted quota for Pods that set any resources.
func TestInjectionKnowsTheQuotasOfThisMoment(t *testing.T) {
	t.Parallel()
	putGuardrail(t, injectingAlone("fresh-quotas"))
	for _, namespace := range oldNamespaces(t, "fresh-quotas", 40) {
		must(t, cluster.Admin.Client.Create(t.Context(), &corev1.ResourceQuota{
			ObjectMeta: objectMeta(namespace, "none"),
			Spec: corev1.ResourceQuotaSpec{
				Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}, Scopes: []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeNotBestEffort},
			},
		}))
		pod := podOf(namespace, "web", app("main", corev1.ResourceRequirements{}))
		if answer := cluster.Admin.Create(t.Context(), pod); answer.Err != nil {
			t.Errorf("%s: a Pod is refused that was none of Taffrail's business: %v", namespace, answer.Err)
		}
	}
}

// A Pod is not injected into after its namespace has opted out, and not denied for a limit that has been
// raised.
func TestNothingIsDoneForFactsOfBefore(t *testing.T) {
	t.Parallel()
	g := injecting("fresh-labels", "")
	g.Spec.Policies = append(g.Spec.Policies, v1alpha1.PolicyBinding{Name: "limitrange-fit"})
	putGuardrail(t, g)
	for i, namespace := range oldNamespaces(t, "fresh-labels", 40) {
		if i%2 == 0 {
			relabel(t, namespace, "test.taffrail.dev/late", "no-more")
			pod := podOf(namespace, "web", app("main", corev1.ResourceRequirements{}))
			admit(t, "a Pod", cluster.Admin.Create(t.Context(), pod))
			wantResources(t, namespace+", which has opted out", pod.Spec.Containers[0].Resources, corev1.ResourceRequirements{})
			continue
		}
		limits := &corev1.LimitRange{
			ObjectMeta: objectMeta(namespace, "limits"),
			Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: quantities("100m", "")}}},
		}
		must(t, cluster.Admin.Client.Create(t.Context(), limits))
		large := deploymentOf(namespace, "large")
		large.Spec.Template.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: quantities("100m", "64Mi"), Limits: quantities("900m", "64Mi")}
		eventually(t, "the bound to be known", func(ctx context.Context) error {
			if _, denied := cluster.Admin.Create(ctx, large.DeepCopy(), client.DryRunAll).Denied(); !denied {
				return fmt.Errorf("more than the maximum is admitted")
			}
			return nil
		})
		limits.Spec.Limits[0].Max = quantities("1", "")
		must(t, cluster.Admin.Client.Update(t.Context(), limits))
		if answer := cluster.Admin.Create(t.Context(), large); answer.Err != nil {
			t.Errorf("%s: denied for a bound that was raised: %v", namespace, answer.Err)
		}
	}
}
