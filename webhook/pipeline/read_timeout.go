package pipeline

import (
	"context"
	"time"
)

// withReadTimeout lets a read from the API server take three quarters of a decision's remaining
// time, because an injection that is left out for want of a read can turn into a denial. The rest
// is enough to decide without the read and to answer. Without a deadline there is no timeout.
func withReadTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(deadline)*3/4)
	}
	return context.WithCancel(ctx)
}
