package harness

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

// DefaultGuardrails returns the Guardrails that are built into Taffrail.
func DefaultGuardrails() ([]v1alpha1.Guardrail, error) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		return nil, err
	}
	return config.Default(catalog), nil
}

// Unguarded returns annotations for an object of the configuration that is stored as if Taffrail had been
// unavailable: no webhook checks it.
func Unguarded() map[string]string { return map[string]string{"test.taffrail.dev/unguarded": ""} }

// PutGuardrail creates or updates a Guardrail, and waits for its condition Active.
func (h *Harness) PutGuardrail(ctx context.Context, g *v1alpha1.Guardrail) (*metav1.Condition, error) {
	stored := &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: g.Name, Annotations: g.Annotations}}
	return h.put(ctx, stored, func() { stored.Spec = *g.Spec.DeepCopy() }, func() []metav1.Condition { return stored.Status.Conditions })
}

// PutExemption creates or updates an Exemption, and waits for its condition Active.
func (h *Harness) PutExemption(ctx context.Context, e *v1alpha1.Exemption) (*metav1.Condition, error) {
	stored := &v1alpha1.Exemption{ObjectMeta: metav1.ObjectMeta{Name: e.Name, Annotations: e.Annotations}}
	return h.put(ctx, stored, func() { stored.Spec = *e.Spec.DeepCopy() }, func() []metav1.Condition { return stored.Status.Conditions })
}

// PutPolicy creates or updates a Policy, and waits for its condition Active.
func (h *Harness) PutPolicy(ctx context.Context, p *v1alpha1.Policy) (*metav1.Condition, error) {
	stored := &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Annotations: p.Annotations}}
	return h.put(ctx, stored, func() { stored.Spec = p.Spec }, func() []metav1.Condition { return stored.Status.Conditions })
}

// put creates or updates an object whose spec the function sets, and waits for its condition Active.
func (h *Harness) put(ctx context.Context, stored client.Object, set func(), conditions func() []metav1.Condition) (*metav1.Condition, error) {
	annotations := stored.GetAnnotations()
	// The object may change in between, because its status is written too.
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		there, err := h.Exists(ctx, stored)
		if err != nil {
			return err
		}
		set()
		stored.SetAnnotations(annotations)
		if there {
			return h.Admin.Client.Update(ctx, stored)
		}
		return h.Admin.Client.Create(ctx, stored)
	})
	if err != nil {
		return nil, fmt.Errorf("writing %T %s: %w", stored, stored.GetName(), err)
	}
	generation := stored.GetGeneration()
	var condition *metav1.Condition
	err = Eventually(ctx, fmt.Sprintf("the status of %T %s", stored, stored.GetName()), func(ctx context.Context) error {
		if err := h.Admin.Client.Get(ctx, client.ObjectKeyFromObject(stored), stored); err != nil {
			return err
		}
		condition = meta.FindStatusCondition(conditions(), v1alpha1.ConditionActive)
		if condition == nil || condition.ObservedGeneration < generation {
			return fmt.Errorf("no condition for generation %d", generation)
		}
		return nil
	})
	return condition, err
}

// DeleteGuardrail deletes a Guardrail if it exists.
func (h *Harness) DeleteGuardrail(ctx context.Context, name string) error {
	return client.IgnoreNotFound(h.Admin.Client.Delete(ctx, &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: name}}))
}

// AwaitEnforcement waits until Pods in a namespace are denied for an image without a tag, and admitted ones
// have their resources filled in: until the API server calls both webhooks, and every server that answers has
// the Guardrails in force. It creates nothing.
func (h *Harness) AwaitEnforcement(ctx context.Context, namespace string) error {
	return Eventually(ctx, "Pods in "+namespace+" to be decided", func(ctx context.Context) error {
		answer := h.Alice.Create(ctx, ProbePod(namespace, "registry.example/probe"), client.DryRunAll)
		if _, denied := answer.Denied(); !denied {
			return fmt.Errorf("a Pod without a tag is not denied: %w", orAdmitted(answer.Err))
		}
		pod := ProbePod(namespace, "registry.example/probe:1.0.0")
		if answer := h.Alice.Create(ctx, pod, client.DryRunAll); answer.Err != nil {
			return answer.Err
		}
		if len(pod.Spec.Containers[0].Resources.Requests) == 0 {
			return errors.New("nothing is filled in")
		}
		return nil
	})
}

func orAdmitted(err error) error {
	if err == nil {
		return errors.New("admitted")
	}
	return err
}

// ProbePod returns a Pod that runs once, with labels and a Helm hook annotation, so that policies are concerned
// only with its image and its resources.
func ProbePod(namespace, image string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "probe",
			Labels: map[string]string{"app": "probe"}, Annotations: map[string]string{"helm.sh/hook": "test"},
		},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "main", Image: image}},
		},
	}
}
