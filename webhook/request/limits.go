package request

import (
	"cmp"
	"fmt"

	"taffrail.dev/webhook/decision"
)

const (
	// MaxBytes is the maximum size of an AdmissionReview. The API server accepts requests of up
	// to 3 MiB, and a review may contain both the old and the new object.
	MaxBytes = 8 << 20
	// MaxDepth is the maximum nesting depth of an object. CRD schemas, the deepest objects in
	// practice, stay below 100.
	MaxDepth = 200
	// MaxContainers is the maximum number of containers of all types in a Pod. The cost grows
	// faster than their number, and the default limit for a whole node is 110 Pods.
	MaxContainers = 500
	// MaxExponentDigits is the maximum number of digits in the exponent of a quantity, as in
	// 1e3. Arithmetic expands it to zeros.
	MaxExponentDigits = 3
)

// LimitError is returned when an object is too large to be inspected.
type LimitError struct {
	// What is "size", "depth", "containers" or "exponent", and Limit the maximum in bytes,
	// levels, containers or digits.
	What  string
	Limit int
	// Request has everything that was read before the object, which is enough to identify it in
	// a refusal. It is nil if nothing was read.
	Request *decision.Request
}

func (e *LimitError) Error() string {
	problem, _ := e.texts()
	return problem
}

// Remediation returns what the writer of the object can do about it.
func (e *LimitError) Remediation() string {
	_, remediation := e.texts()
	return remediation
}

func (e *LimitError) texts() (problem, remediation string) {
	switch e.What {
	case "size":
		remediation = "Make the object smaller, or split it into several."
		if e.Request != nil && e.Request.IsNamespace() {
			remediation = "Make the Namespace smaller."
		}
		return fmt.Sprintf("the request is larger than %d bytes", e.Limit), remediation
	case "containers":
		return fmt.Sprintf("the Pod has more than %d containers", e.Limit), "Split the Pod."
	case "exponent":
		return fmt.Sprintf("the exponent of a quantity has more than %d digits", e.Limit), "Write quantities as in 100m or 128Mi."
	}
	return fmt.Sprintf("the object nests deeper than %d levels", e.Limit), "Nest the object less deeply."
}

// FieldError is returned when a field of an object has an invalid value.
type FieldError struct {
	Path   string
	Reason string
}

func (e *FieldError) Error() string { return e.Path + ": " + e.Reason }

// MalformedError is returned when a text is not an AdmissionReview, or not an object.
type MalformedError struct {
	// What should have been read; empty means an AdmissionReview.
	What   string
	Reason string
}

func (e *MalformedError) Error() string {
	return "malformed " + cmp.Or(e.What, "AdmissionReview") + ": " + e.Reason
}
