package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Audit reports what a continuous audit finds in the existing objects that a Guardrail applies to. It has the same
// size however many objects and namespaces there are: what was found is in the reports.
type Audit struct {
	// Objects is the number of objects that were decided. It does not count what a controller made from a template that
	// was decided in its place.
	Objects int64 `json:"objects"`
	// Violating is the number of objects with findings that no Exemption exempts.
	Violating int64 `json:"violating"`
	// Findings counts these findings by policy and by the mode in effect, those with the most findings first.
	// +optional
	// +kubebuilder:validation:MaxItems=300
	// +listType=atomic
	Findings []AuditFindings `json:"findings,omitempty"`
	// CompletedAt is when everything was decided last: all objects, by the configuration of that time. While the audit is
	// current, it is at most some ten minutes ago. It is unset before the first pass has ended.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// Current is true if no change has waited to be decided for longer than a minute.
	Current bool `json:"current"`
	// Message describes how far the audit has come, and what it could not do.
	// +optional
	Message string `json:"message,omitempty"`
	// Unread lists the kinds that could not be read, at most 20; Message has the number of the others.
	// +optional
	// +kubebuilder:validation:MaxItems=20
	// +listType=map
	// +listMapKey=kind
	Unread []AuditUnread `json:"unread,omitempty"`
}

// AuditFindings counts the findings of one policy.
type AuditFindings struct {
	// Policy is the id of the policy.
	Policy string `json:"policy"`
	// Mode is the one in effect.
	Mode Mode `json:"mode"`
	// Findings is their number, and Objects that of the objects that they are about.
	Findings int64 `json:"findings"`
	Objects  int64 `json:"objects"`
}

// AuditUnread is a kind that could not be read.
type AuditUnread struct {
	// Kind is the kind and its group, as in Deployment.apps.
	Kind string `json:"kind"`
	// Reason is why it could not be read.
	Reason string `json:"reason"`
}
