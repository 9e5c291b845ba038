package cluster

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/review"
)

// Rights asks the API server what users may do. It is safe for concurrent use.
type Rights struct {
	writer client.Writer
}

// NewRights makes Rights of a client that may create SubjectAccessReviews.
func NewRights(writer client.Writer) *Rights { return &Rights{writer: writer} }

// MayRelax tells whether a user has the verb relax on a Guardrail.
func (r *Rights) MayRelax(ctx context.Context, user review.User, guardrail string) (bool, error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for key, values := range user.Extra {
		extra[key] = values
	}
	asked := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Name, UID: user.UID, Groups: user.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: review.RelaxVerb, Group: v1alpha1.GroupVersion().Group, Version: v1alpha1.GroupVersion().Version,
			Resource: "guardrails", Name: guardrail,
		},
	}}
	if err := r.writer.Create(ctx, asked); err != nil {
		return false, fmt.Errorf("creating a SubjectAccessReview: %w", err)
	}
	// With an EvaluationError, some authorizer could not say: the others did.
	return asked.Status.Allowed, nil
}
