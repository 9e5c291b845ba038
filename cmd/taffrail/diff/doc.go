// Package diff writes what changed in a text as a unified diff.
package diff
