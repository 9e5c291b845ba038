package config

import (
	"fmt"
	"strings"
)

// Error is an error in one part of the configuration, with its location.
type Error struct {
	// Source is a file, or the name of an object from another source.
	Source string
	// Line is 0 if the source has no lines.
	Line int
	// Field is a path such as spec.policies[0].name; empty if the error does not concern a
	// single field.
	Field  string
	Reason string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Source)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	return b.String() + ": " + e.Reason
}
