package harness

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Namespace creates a namespace that Alice may edit, and waits until she can: until RBAC has the new role, and
// Pods have their ServiceAccount.
func (h *Harness) Namespace(ctx context.Context, name string, labels map[string]string) error {
	if err := h.Admin.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}); err != nil {
		return err
	}
	if err := h.AllowAlice(ctx, name); err != nil {
		return err
	}
	return Eventually(ctx, "the default ServiceAccount of "+name, func(ctx context.Context) error {
		return h.Admin.Client.Get(ctx, client.ObjectKey{Namespace: name, Name: "default"}, &corev1.ServiceAccount{})
	})
}

// AllowAlice permits Alice to edit objects in a namespace, and waits until that is in effect.
func (h *Harness) AllowAlice(ctx context.Context, namespace string) error {
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "alice-edits"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: aliceName}},
	}
	if err := h.Admin.Client.Create(ctx, binding); err != nil {
		return err
	}
	// Any rule of the aggregated role would do; this is the last one to be added.
	return Eventually(ctx, "Alice's rights in "+namespace, func(ctx context.Context) error {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: "create", Group: "batch", Resource: "cronjobs",
			},
		}}
		if err := h.Alice.Client.Create(ctx, review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return fmt.Errorf("not allowed: %s", review.Status.Reason)
		}
		return nil
	})
}
