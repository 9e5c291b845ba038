// Package mutate turns the intents of mutating policies into values that fit the
// namespace's bounds, and into a minimal JSON Patch. It never overwrites, names
// conflicts instead of choosing, and a second pass over what it made changes nothing.
package mutate
