package decision

import (
	"fmt"
	"strings"
)

// Fault is an error in one field of a configuration object.
type Fault struct {
	// Field is a path such as spec.policies[0].name; empty if the fault does not concern a
	// single field.
	Field  string
	Reason string
}

func (f *Fault) String() string {
	if f.Field == "" {
		return Line(f.Reason, maxLine)
	}
	return Line(f.Field+": "+f.Reason, maxLine)
}

// Checked is the result of checking a configuration object before it is stored.
type Checked struct {
	// Faults are the reasons to refuse the object.
	Faults []Fault
	// Warnings are returned to the author of the object.
	Warnings []string
}

// Shown returns the faults that a refusal lists, shortened.
func (c *Checked) Shown() []Fault {
	shown := make([]Fault, min(len(c.Faults), MaxFindings))
	for i := range shown {
		shown[i] = Fault{Field: Line(c.Faults[i].Field, maxLine), Reason: Line(c.Faults[i].Reason, maxLine)}
	}
	return shown
}

// Refusal returns the message for the author of a refused object.
func (c *Checked) Refusal(subject string) string {
	var b strings.Builder
	b.WriteString(subject + " is invalid:")
	for _, fault := range c.Shown() {
		b.WriteString("\n- " + fault.String())
	}
	if rest := len(c.Faults) - MaxFindings; rest > 0 {
		fmt.Fprintf(&b, "\n- and %s", Count(rest, "more error", "more errors"))
	}
	return b.String()
}

// LimitedWarnings returns the warnings, limited in the same way as those of a Decision.
func (c *Checked) LimitedWarnings() []string { return limited(c.Warnings) }
