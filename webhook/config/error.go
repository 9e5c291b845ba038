package config

import (
	"fmt"
	"strings"
)

// Error says what is wrong with one piece of configuration, and where it stands.
type Error struct {
	// Source is a file, or the name of an object that came from elsewhere.
	Source string
	// Line is 0 where there are no lines to count.
	Line int
	// Field is a path such as spec.policies[0].name; empty where the error is not
	// about one.
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
