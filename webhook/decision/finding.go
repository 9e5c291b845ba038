package decision

import (
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"strings"
)

// Severity is a policy's rating of the impact of a violation.
type Severity string

// The severities that METADATA may name.
const (
	SeverityLow      Severity = "low"
	SeverityMedium   Severity = "medium"
	SeverityHigh     Severity = "high"
	SeverityCritical Severity = "critical"
)

// PatchOperation is one operation of a JSON Patch (RFC 6902).
type PatchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// Violation is one finding of a policy in an object, before modes and Exemptions apply.
type Violation struct {
	Message string
	// Path is the field in the user's object, as in spec.template.spec.containers[0].image.
	Path string
	// Container is the container's name, empty if the finding does not concern a container.
	Container string
	// Key identifies the violation across edits of the object, together with Digest.
	Key string
	// Digest distinguishes violations whose keys differ only in redacted text; otherwise it is
	// zero. It is never printed, because it would allow a password to be guessed.
	Digest [sha256.Size]byte
	// Excess is the distance from a valid value as a decimal number. An empty Excess is worse
	// than any number.
	Excess json.Number
	// Fix is the JSON Patch that would satisfy the policy, empty if there is no safe one.
	Fix []PatchOperation
	// AtMost caps the mode of this violation; 0 means no cap.
	AtMost Mode
	// Unknown names the fact that is missing to decide; empty if none is.
	Unknown string
	// Several is true if it stands for many violations in Path that are not listed. Their Digest
	// is of all of them.
	Several bool
}

// WorseThan reports whether the violation is worse than an earlier one of the same identity.
func (v *Violation) WorseThan(earlier *Violation) bool {
	if v.Excess == earlier.Excess || earlier.Excess == "" {
		return false
	}
	excess, ok := amount(v.Excess)
	had, too := amount(earlier.Excess)
	return !ok || !too || excess.Cmp(had) > 0
}

// amount parses a number with enough precision for any quantity. Rounding preserves the order
// of numbers.
func amount(n json.Number) (*big.Float, bool) {
	f, _, err := big.ParseFloat(string(n), 10, 512, big.ToNearestEven)
	return f, err == nil
}

// Intent is a value that a mutating policy proposes for an unset field.
type Intent struct {
	Container string
	// Field is relative to the container, as in resources.requests.cpu.
	Field string
	Value string
}

// Result is what one policy with one set of parameters returns for an object.
type Result struct {
	// Violations and Intents are sorted.
	Violations []Violation
	Intents    []Intent
	// Err is set if the policy failed to evaluate; then Violations and Intents are empty.
	Err error
}

// Finding is a violation with its consequences.
type Finding struct {
	Policy string
	// Guardrails has the names of those that bind the policy, sorted.
	Guardrails []string
	// Mode is the strictest mode of these bindings, after all caps.
	Mode        Mode
	Severity    Severity
	Container   string
	Path        string
	Key         string
	Digest      [sha256.Size]byte // that of the Violation
	Message     string
	Remediation string
	Fix         []PatchOperation
	// Tolerated is why the finding does not deny although its mode is enforce.
	Tolerated string
	// Exemptions has the names of those that each exempt the finding, sorted.
	Exemptions []string
	// Unknown is what is missing to decide. A finding with it does not deny.
	Unknown string
	// Unselected is set if the missing facts are the namespace's labels, which a Guardrail
	// selects by. Then all objects of the namespace have the same finding.
	Unselected bool
	// Failed is set if the policy failed to evaluate.
	Failed bool
	// FailOpen is set if a failed policy does not deny the object.
	FailOpen bool
	// WouldDeny is set if the finding denies, or would if the Guardrail's mode and the server's
	// maximum mode were enforce.
	WouldDeny bool
	// WouldDenyBy has the names of the Guardrails for which WouldDeny holds, sorted. Others may
	// trust the writer or tolerate existing violations.
	WouldDenyBy []string
}

// Exempted reports whether an Exemption exempts the finding.
func (f *Finding) Exempted() bool { return len(f.Exemptions) > 0 }

// ExemptedBy returns the Exemptions of the finding, as in "Exemption legacy". It is empty if
// there are none.
func (f *Finding) ExemptedBy() string {
	switch len(f.Exemptions) {
	case 0:
		return ""
	case 1:
		return "Exemption " + f.Exemptions[0]
	}
	return "Exemptions " + strings.Join(f.Exemptions, ", ")
}

// Denies reports whether the finding alone denies the object.
func (f *Finding) Denies() bool {
	return f.Verdict() == VerdictDeny
}

// Warns reports whether the finding is a warning for the writer of the object.
func (f *Finding) Warns() bool {
	if f.Exempted() || f.Denies() {
		return false
	}
	return f.Mode >= ModeWarn
}
