package decision

import (
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"strings"
)

// Severity is a policy's own judgement of what a violation may cost.
type Severity string

// The severities, from METADATA.
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

// Violation is what one policy says of one object, before anybody decides what
// becomes of it.
type Violation struct {
	Message string
	// Path is the field in the user's object, as in spec.template.spec.containers[0].image.
	Path string
	// Container is the container's name, empty where the finding is not about one.
	Container string
	// Key identifies the violation across edits of the object, together with Digest.
	Key string
	// Digest tells violations apart whose keys differ only in what was redacted. It is zero
	// for others, and is never printed: a password could be guessed by it.
	Digest [sha256.Size]byte
	// Excess is how far from right it is, as a decimal number: the larger, the worse. Empty
	// is worse than any number.
	Excess json.Number
	// Fix is the JSON Patch that would satisfy the policy, empty where no answer is safe.
	Fix []PatchOperation
	// AtMost caps the mode of this one violation; 0 does not.
	AtMost Mode
	// Unknown says which fact was missing to decide; empty where nothing was.
	Unknown string
}

// WorseThan compares a violation with an earlier one of the same identity.
func (v *Violation) WorseThan(earlier *Violation) bool {
	if v.Excess == earlier.Excess || earlier.Excess == "" {
		return false
	}
	excess, ok := amount(v.Excess)
	had, too := amount(earlier.Excess)
	return !ok || !too || excess.Cmp(had) > 0
}

// amount reads enough digits for any quantity. Rounding keeps the order of numbers.
func amount(n json.Number) (*big.Float, bool) {
	f, _, err := big.ParseFloat(string(n), 10, 512, big.ToNearestEven)
	return f, err == nil
}

// Intent is a value that a mutating policy wants to be set where none is.
type Intent struct {
	Container string
	// Field is relative to the container, as in resources.requests.cpu.
	Field string
	Value string
}

// Result is what one policy, under one set of parameters, says of one object.
type Result struct {
	// Violations and Intents are sorted.
	Violations []Violation
	Intents    []Intent
	// Err is not nil where the policy could not be evaluated. Everything else is then empty.
	Err error
}

// Finding is a violation together with what becomes of it.
type Finding struct {
	Policy string
	// Guardrails that ask for it, sorted.
	Guardrails []string
	// Mode is the strictest that asks, under the ceilings that apply.
	Mode        Mode
	Severity    Severity
	Container   string
	Path        string
	Key         string
	Digest      [sha256.Size]byte // the Violation's
	Message     string
	Remediation string
	Fix         []PatchOperation
	// Tolerated says why the finding denies nothing although its mode is enforce.
	Tolerated string
	// Exemptions name those that excuse the finding, each by itself, sorted.
	Exemptions []string
	// Unknown says what was missing to decide; such a finding neither denies nor passes.
	Unknown string
	// Unselected is set when what is missing are the labels of the namespace, by which a
	// Guardrail selects. It is the same for every object there.
	Unselected bool
	// Failed is set when the policy cannot decide the object.
	Failed bool
	// FailOpen is set when it is then admitted, unless another policy denies it.
	FailOpen bool
	// WouldDeny is set where the finding denies, or would if the Guardrail's mode and the
	// server's ceiling were enforce.
	WouldDeny bool
	// WouldDenyBy are the Guardrails that it is so for, sorted: another may trust the
	// writer, or tolerate what was there before.
	WouldDenyBy []string
}

// Exempted tells whether the finding is excused.
func (f *Finding) Exempted() bool { return len(f.Exemptions) > 0 }

// ExemptedBy names who excuses the finding, as in "Exemption legacy"; empty where nobody does.
func (f *Finding) ExemptedBy() string {
	switch len(f.Exemptions) {
	case 0:
		return ""
	case 1:
		return "Exemption " + f.Exemptions[0]
	}
	return "Exemptions " + strings.Join(f.Exemptions, ", ")
}

// Denies reports whether the finding alone is enough to deny.
func (f *Finding) Denies() bool {
	return f.Verdict() == VerdictDeny
}

// Warns tells whether the person who writes the object is told without being stopped.
func (f *Finding) Warns() bool {
	if f.Exempted() || f.Denies() {
		return false
	}
	return f.Mode >= ModeWarn
}
