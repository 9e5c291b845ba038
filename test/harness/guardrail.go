package harness

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/engine"
)

// DefaultGuardrails are those that Taffrail has built in.
func DefaultGuardrails() ([]v1alpha1.Guardrail, error) {
	catalog, err := engine.Load(policies.FS)
	if err != nil {
		return nil, err
	}
	return config.Default(catalog), nil
}

// PutGuardrail creates a Guardrail, or gives one that is there another spec, and waits
// for what Taffrail has to say about it.
func (h *Harness) PutGuardrail(ctx context.Context, g *v1alpha1.Guardrail) (*metav1.Condition, error) {
	stored := &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: g.Name}}
	there, err := h.Exists(ctx, stored)
	if err != nil {
		return nil, err
	}
	stored.Spec = *g.Spec.DeepCopy()
	if there {
		err = h.Admin.Client.Update(ctx, stored)
	} else {
		err = h.Admin.Client.Create(ctx, stored)
	}
	if err != nil {
		return nil, fmt.Errorf("writing Guardrail %s: %w", g.Name, err)
	}
	generation := stored.Generation
	var condition *metav1.Condition
	err = Eventually(ctx, "the status of Guardrail "+g.Name, func(ctx context.Context) error {
		if err := h.Admin.Client.Get(ctx, client.ObjectKeyFromObject(stored), stored); err != nil {
			return err
		}
		condition = meta.FindStatusCondition(stored.Status.Conditions, v1alpha1.ConditionActive)
		if condition == nil || condition.ObservedGeneration < generation {
			return fmt.Errorf("no condition for generation %d", generation)
		}
		return nil
	})
	return condition, err
}

// DeleteGuardrail deletes a Guardrail, if it is there.
func (h *Harness) DeleteGuardrail(ctx context.Context, name string) error {
	return client.IgnoreNotFound(h.Admin.Client.Delete(ctx, &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: name}}))
}

// AwaitEnforcement waits until Pods in a namespace are refused for an image without a
// tag and, where they may come, have their resources filled in: until the API server
// calls both webhooks, and whoever answers has the Guardrails in force. Nothing is
// created on the way.
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

// ProbePod is a Pod that runs once, labelled and a hook of Helm's: nothing about it but
// its image and its resources is of interest to a policy.
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
