package decision

import "strings"

// Fill is a value that an injection sets, or will set when Pods are created.
type Fill struct {
	Policy     string
	Guardrails []string
	Mode       Mode
	Container  string
	// Field is relative to the container, as in resources.requests.cpu.
	Field string
	Value string
	// SkipReason is why an enforced injection does not set the field; empty otherwise. If it is
	// set, Mode is audit.
	SkipReason string
	// Undecided is true if it could not be determined whether to skip the field.
	Undecided bool
}

// Text returns the field and the value. Without the prefix of the field, four values for one
// container fit into a warning.
func (f *Fill) Text() string { return strings.TrimPrefix(f.Field, "resources.") + "=" + f.Value }

// Decision is the result of deciding one Request.
type Decision struct {
	Verdict Verdict
	// Unbound is true if no policy bound for the object covers its kind. Then nothing was
	// evaluated, and the Verdict is VerdictAllow.
	Unbound bool
	// Findings are sorted by consequence, then by policy, container and key.
	Findings []Finding
	// Fills has the values that injections set. Fills of a template are not patched: its Pods
	// will get them.
	Fills []Fill
	// Patch applies to Request.Original. It is empty if there is nothing to change.
	Patch []PatchOperation
	// Errors has the errors of policies that failed to evaluate, by id.
	Errors map[string]error
}
