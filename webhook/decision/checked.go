package decision

import (
	"fmt"
	"strings"
)

// Fault is what is wrong with one field of an object of Taffrail's own configuration.
type Fault struct {
	// Field is a path such as spec.policies[0].name; empty where the fault is about none.
	Field  string
	Reason string
}

func (f *Fault) String() string {
	if f.Field == "" {
		return Line(f.Reason, maxLine)
	}
	return Line(f.Field+": "+f.Reason, maxLine)
}

// Checked is what is to be said of an object of the configuration before it is stored.
type Checked struct {
	// Faults are a reason to refuse it.
	Faults []Fault
	// Warnings are told to its writer.
	Warnings []string
}

// Shown are the faults that are spelled out.
func (c *Checked) Shown() []Fault {
	shown := make([]Fault, min(len(c.Faults), MaxFindings))
	for i := range shown {
		shown[i] = Fault{Field: Line(c.Faults[i].Field, maxLine), Reason: Line(c.Faults[i].Reason, maxLine)}
	}
	return shown
}

// Refusal is what a person reads whose object would not work.
func (c *Checked) Refusal(subject string) string {
	var b strings.Builder
	b.WriteString(subject + " would not work:")
	for _, fault := range c.Shown() {
		b.WriteString("\n- " + fault.String())
	}
	if rest := len(c.Faults) - MaxFindings; rest > 0 {
		fmt.Fprintf(&b, "\n- and %s", count(rest, "more fault", "more faults"))
	}
	return b.String()
}

// Notes are the warnings, bounded as those of a Decision are.
func (c *Checked) Notes() []string { return bounded(c.Warnings) }
