package sandbox

import (
	"maps"
	"slices"
)

// LimitedBuiltins returns the names of the built-in functions that have a limit.
func LimitedBuiltins() []string { return slices.Sorted(maps.Keys(limits())) }
