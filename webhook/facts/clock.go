package facts

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Clock reads the time of the API server. Comparing a creationTimestamp with the clock of another
// machine would be off by the skew between the two. It is safe for concurrent use.
type Clock struct {
	writer client.Writer
}

// NewClock returns a Clock. writer must be allowed to create SelfSubjectReviews, as every user is
// by default.
func NewClock(writer client.Writer) *Clock { return &Clock{writer: writer} }

var errNoTime = errors.New("the API server did not return the time")

// Now returns the time in whole seconds, the precision of a creationTimestamp.
func (c *Clock) Now(ctx context.Context) (time.Time, error) {
	// A SelfSubjectReview is not stored, but the API server sets its creationTimestamp.
	review := &authenticationv1.SelfSubjectReview{}
	if err := c.writer.Create(ctx, review); err != nil {
		return time.Time{}, fmt.Errorf("creating a SelfSubjectReview: %w", err)
	}
	if review.CreationTimestamp.IsZero() {
		return time.Time{}, errNoTime
	}
	return review.CreationTimestamp.Time, nil
}
