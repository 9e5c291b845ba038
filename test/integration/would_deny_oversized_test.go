package integration

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/request"
)

// An object that is too large to be inspected is refused under enforce, so it is counted before.
func TestWhatIsNotLookedAtIsCountedUntilItIsRefused(t *testing.T) {
	t.Parallel()
	label := unique("oversized")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	g := binding(label, label, "image-tag")
	g.Spec.Mode = v1alpha1.ModeAudit
	putGuardrail(t, g)
	pod := func(name string) *corev1.Pod {
		var containers []corev1.Container
		for i := range request.MaxContainers + 1 {
			containers = append(containers, corev1.Container{Name: fmt.Sprintf("c%d", i), Image: "web:1.0.0"})
		}
		return podOf(namespace, name, containers...)
	}
	admit(t, "under audit", cluster.Alice.Create(t.Context(), pod("audited")))
	eventually(t, "the status to count it", func(ctx context.Context) error {
		stored := &v1alpha1.Guardrail{}
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Name: g.Name}, stored); err != nil {
			return err
		}
		if found := stored.Status.WouldDeny; found == nil || found.Requests != 1 || found.Namespaces[0].Policies["request-limit"] != 1 {
			return fmt.Errorf("it has %+v", found)
		}
		return nil
	})
	g.Spec.Mode = v1alpha1.ModeEnforce
	putGuardrail(t, g)
	deny(t, "enforced", cluster.Alice.Create(t.Context(), pod("enforced"), client.DryRunAll))
}
