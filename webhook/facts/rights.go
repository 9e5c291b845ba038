package facts

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// Rights checks permissions of users with the API server. It is safe for concurrent use.
type Rights struct {
	writer client.Writer
}

// NewRights returns Rights. writer must be allowed to create SubjectAccessReviews.
func NewRights(writer client.Writer) *Rights { return &Rights{writer: writer} }

// MayRelax reports whether a user may use the verb relax on a Guardrail.
func (r *Rights) MayRelax(ctx context.Context, user decision.User, guardrail string) (bool, error) {
	return r.may(ctx, user, decision.RelaxVerb, guardrail, "")
}

// MayExempt reports whether a user may use the verb exempt on a Guardrail in a namespace. An
// empty guardrail means every Guardrail, an empty namespace all namespaces. A RoleBinding grants
// it in its own namespace, although Guardrails are cluster-scoped.
func (r *Rights) MayExempt(ctx context.Context, user decision.User, guardrail, namespace string) (bool, error) {
	return r.may(ctx, user, decision.ExemptVerb, guardrail, namespace)
}

func (r *Rights) may(ctx context.Context, user decision.User, verb, guardrail, namespace string) (bool, error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for key, values := range user.Extra {
		extra[key] = values
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Name, UID: user.UID, Groups: user.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Group: v1alpha1.GroupVersion().Group, Version: v1alpha1.GroupVersion().Version,
			Resource: "guardrails", Name: guardrail, Namespace: namespace,
		},
	}}
	if err := r.writer.Create(ctx, review); err != nil {
		return false, fmt.Errorf("creating a SubjectAccessReview: %w", err)
	}
	// Even with an EvaluationError the result counts: it means that one authorizer failed and the
	// others answered.
	return review.Status.Allowed, nil
}
