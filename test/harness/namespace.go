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

// Namespace makes a namespace that Alice may edit, and waits until she can: until RBAC
// has heard of it, and Pods have the ServiceAccount that they run as.
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

// AllowAlice lets Alice edit what is in a namespace, and waits until she may.
func (h *Harness) AllowAlice(ctx context.Context, namespace string) error {
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "alice-edits"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: aliceName}},
	}
	if err := h.Admin.Client.Create(ctx, binding); err != nil {
		return err
	}
	// The last rule that aggregation adds to the role is as good as any.
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
