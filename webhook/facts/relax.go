package facts

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// Rights asks the API server what users may do. It is safe for concurrent use.
type Rights struct {
	writer client.Writer
}

// NewRights makes Rights of a client that may create SubjectAccessReviews.
func NewRights(writer client.Writer) *Rights { return &Rights{writer: writer} }

// MayRelax tells whether a user has the verb relax on a Guardrail.
func (r *Rights) MayRelax(ctx context.Context, user decision.User, guardrail string) (bool, error) {
	return r.may(ctx, user, decision.RelaxVerb, guardrail, "")
}

// MayExempt reports whether a user has the verb exempt on a Guardrail, "" for every one, in a
// namespace, "" for all of them. A RoleBinding gives it in its own namespace, although
// Guardrails are in none.
func (r *Rights) MayExempt(ctx context.Context, user decision.User, guardrail, namespace string) (bool, error) {
	return r.may(ctx, user, decision.ExemptVerb, guardrail, namespace)
}

func (r *Rights) may(ctx context.Context, user decision.User, verb, guardrail, namespace string) (bool, error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for key, values := range user.Extra {
		extra[key] = values
	}
	asked := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Name, UID: user.UID, Groups: user.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Group: v1alpha1.GroupVersion().Group, Version: v1alpha1.GroupVersion().Version,
			Resource: "guardrails", Name: guardrail, Namespace: namespace,
		},
	}}
	if err := r.writer.Create(ctx, asked); err != nil {
		return false, fmt.Errorf("creating a SubjectAccessReview: %w", err)
	}
	// With an EvaluationError, some authorizer could not say: the others did.
	return asked.Status.Allowed, nil
}
