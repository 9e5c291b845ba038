// Package property checks properties with random data: once from a fixed seed, so that consecutive runs can be
// compared, and once from a new seed, which is printed if the check fails.
package property

import (
	"flag"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

const (
	seedFlag, checksFlag = "rapid.seed", "rapid.checks"

	fixedSeed = "1"
	// fixedShare is the divisor of the number of checks that also run from the fixed seed.
	fixedShare = 4
)

// Check checks a property as rapid.Check does. With -rapid.seed, only that seed is used. It must not be called
// by parallel tests, because rapid's flags are global to the process.
func Check(t *testing.T, holds func(*rapid.T)) {
	t.Helper()
	if flag.Lookup(seedFlag).Value.String() == "0" {
		fixed(t, holds)
	}
	rapid.Check(t, holds)
}

func fixed(t *testing.T, holds func(*rapid.T)) {
	t.Helper()
	checks := flag.Lookup(checksFlag).Value.String()
	n, err := strconv.Atoi(checks)
	if err != nil {
		t.Fatal(err)
	}
	set(t, seedFlag, fixedSeed)
	set(t, checksFlag, strconv.Itoa(max(1, n/fixedShare)))
	defer set(t, checksFlag, checks)
	defer set(t, seedFlag, "0")
	rapid.Check(t, holds)
}

func set(t *testing.T, name, value string) {
	t.Helper()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
}
