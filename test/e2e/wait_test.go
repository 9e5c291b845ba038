//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"taffrail.dev/test/harness"
)

const (
	// patience limits the wait for something that is expected to happen. It is very long, because a busy
	// machine must not fail a test.
	patience = 4 * time.Minute
	// interval is the time between two attempts.
	interval = 200 * time.Millisecond
)

// eventually calls look until it returns nil. On a timeout, the last error fails the test.
func eventually(t *testing.T, what string, look func(ctx context.Context) error) {
	t.Helper()
	must(t, await(context.WithoutCancel(t.Context()), what, look)) // also waits during clean-up
}

func await(ctx context.Context, what string, look func(ctx context.Context) error) error {
	return harness.Await(ctx, patience, interval, what, look)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
