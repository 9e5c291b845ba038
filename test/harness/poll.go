package harness

import (
	"context"
	"fmt"
	"time"
)

const (
	// patience limits the wait for something that is expected to happen. It is very long, because a busy
	// machine must not fail a test.
	patience = 4 * time.Minute
	// interval is the time between two attempts.
	interval = 50 * time.Millisecond
)

// Eventually calls look until it returns nil. On a timeout it returns an error that contains the last one of
// look.
func Eventually(ctx context.Context, what string, look func(context.Context) error) error {
	return Await(ctx, patience, interval, what, look)
}

// Await is Eventually with another timeout and interval.
func Await(ctx context.Context, patience, interval time.Duration, what string, look func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last error
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			// An attempt that the deadline interrupted has no useful error.
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %w", what, context.Cause(ctx), last)
		case <-ticker.C:
		}
	}
}
