package request

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

const (
	// MaxBytes bounds the body of an AdmissionReview. The API server takes 3 MiB in a
	// request, and a review may hold an object twice, old and new.
	MaxBytes = 8 << 20
	// MaxDepth bounds how deep an object may nest. Nothing in Kubernetes' own kinds
	// comes near; CRD schemas, the deepest objects in practice, stay under 100.
	MaxDepth = 200
	// MaxContainers bounds the containers of one Pod, of all types together. Work grows
	// faster than their number, and a kubelet's default is 110 Pods for a whole node.
	MaxContainers = 500
	// MaxExponentDigits bounds the exponent of a quantity, as in 1e3. Arithmetic writes it
	// out as zeros.
	MaxExponentDigits = 3
)

// LimitError is returned for an object that is too large to be decided.
type LimitError struct {
	// What is "size", "depth", "containers" or "exponent", and Limit its bound in bytes,
	// levels, containers or digits.
	What  string
	Limit int
	// Request holds all that was known before the object was read: enough to refuse
	// it by name. Nil where even that was not there.
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
		if e.Request != nil && e.Request.Kind.GroupKind() == (schema.GroupKind{Kind: "Namespace"}) {
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

// FieldError says that a field of an object cannot be what it is.
type FieldError struct {
	Path   string
	Reason string
}

func (e *FieldError) Error() string { return e.Path + ": " + e.Reason }

// MalformedError says that a body is no AdmissionReview.
type MalformedError struct{ Reason string }

func (e *MalformedError) Error() string { return "malformed AdmissionReview: " + e.Reason }
