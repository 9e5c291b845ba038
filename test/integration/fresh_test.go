package integration

import (
	"testing"

	"taffrail.dev/test/harness"
)

// A cached pass may belong to another version of the server; this makes every file of it count.
func TestResultsAreOfThisServer(t *testing.T) {
	root, err := harness.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Watch(root); err != nil {
		t.Fatal(err)
	}
}
