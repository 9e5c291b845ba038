package harness

import (
	"context"
	"fmt"
	"time"
)

const (
	// patience is how long anything may take that is expected to happen. It is far
	// more than anything takes: a busy machine must not fail a test.
	patience = 4 * time.Minute
	// interval between two looks.
	interval = 50 * time.Millisecond
)

// Eventually calls look until it returns nil. Its last error is in the error returned.
func Eventually(ctx context.Context, what string, look func(context.Context) error) error {
	return Await(ctx, patience, interval, what, look)
}

// Await is Eventually with another patience, and another interval between two looks.
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
			// The error of a look that the deadline cut short says nothing.
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %w", what, context.Cause(ctx), last)
		case <-ticker.C:
		}
	}
}
