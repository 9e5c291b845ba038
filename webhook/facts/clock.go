package facts

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Clock reads the API server's time: what is compared with creationTimestamps must not hang
// on the clock of another machine. It is safe for concurrent use.
type Clock struct {
	writer client.Writer
}

// NewClock makes a Clock of a client that may create SelfSubjectReviews, as everybody may.
func NewClock(writer client.Writer) *Clock { return &Clock{writer: writer} }

var errNoTime = errors.New("the API server did not say what time it is")

// Now returns the time in whole seconds, as creationTimestamps have it.
func (c *Clock) Now(ctx context.Context) (time.Time, error) {
	// Nothing is stored: the answer is dated like an object, and says who asks.
	asked := &authenticationv1.SelfSubjectReview{}
	if err := c.writer.Create(ctx, asked); err != nil {
		return time.Time{}, fmt.Errorf("creating a SelfSubjectReview: %w", err)
	}
	if asked.CreationTimestamp.IsZero() {
		return time.Time{}, errNoTime
	}
	return asked.CreationTimestamp.Time, nil
}
