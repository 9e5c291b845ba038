package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Injection records since when a Guardrail's enforced injections hold. With existing:
// tolerate, a Pod is filled only if its template was written while they did. Every time is
// the API server's.
type Injection struct {
	// Periods in which a policy was enforced with one set of parameters. A Pod gets the values
	// of the period in which its template was written. When a policy is no longer enforced, its
	// periods are dropped.
	// +optional
	// +listType=atomic
	Periods []InjectionPeriod `json:"periods,omitempty"`
	// NamespaceSelector and ExcludeNamespaces are those of the spec that Namespaces was
	// recorded for.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// +optional
	// +listType=atomic
	ExcludeNamespaces []string `json:"excludeNamespaces,omitempty"`
	// SelectionSince is when these were recorded.
	SelectionSince metav1.Time `json:"selectionSince"`
	// Everywhere is since when every namespace that is not listed is selected; unset if the
	// selector is not empty.
	// +optional
	Everywhere *metav1.Time `json:"everywhere,omitempty"`
	// Namespaces lists namespaces by since when they are selected: all that are if the selector
	// is not empty, otherwise those that were excluded before.
	// +optional
	// +listType=atomic
	Namespaces []InjectionNamespaces `json:"namespaces,omitempty"`
	// Unrecorded counts the selected namespaces for which there was no room. Nothing is injected
	// into the Pods of controllers there.
	// +optional
	Unrecorded int32 `json:"unrecorded,omitempty"`
}

// InjectionPeriod is a time in which a policy was enforced with one set of parameters.
type InjectionPeriod struct {
	// Policy is its id.
	Policy string `json:"policy"`
	// Parameters with the defaults filled in.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Parameters apiextensionsv1.JSON `json:"parameters"`
	Since      metav1.Time          `json:"since"`
	// Until is unset while it lasts.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// InjectionNamespaces are namespaces that are selected since the same second.
type InjectionNamespaces struct {
	Since metav1.Time `json:"since"`
	// +listType=atomic
	Names []string `json:"names"`
}

// WouldFill counts Pods that lack what an injection sets, since the Guardrail has its
// present spec. Dry runs are left out; a Pod may be counted once for every time that the
// API server asks about it.
type WouldFill struct {
	// Since is when counting began.
	Since metav1.Time `json:"since"`
	// Generation of the Guardrail that was counted for; another one begins anew.
	Generation int64 `json:"generation"`
	// Pods that would be filled in if the Guardrail's mode and the server's ceiling were enforce.
	Pods int64 `json:"pods"`
	// Left counts Pods that an enforced injection has left as their template has them, because
	// existing is tolerate and the template is older, or the writer is trusted.
	Left int64 `json:"left"`
	// Workloads with the most such Pods.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=workload
	Workloads []WouldFillWorkload `json:"workloads,omitempty"`
	// OtherPods are those of workloads that are not listed, of both sorts.
	// +optional
	OtherPods int64 `json:"otherPods,omitempty"`
}

// WouldFillWorkload is the part of one workload.
type WouldFillWorkload struct {
	Namespace string `json:"namespace"`
	// Workload is the kind and name of what the Pods belong to, or of the Pod itself.
	Workload string `json:"workload"`
	Pods     int64  `json:"pods"`
	Left     int64  `json:"left"`
	// Last is what was not set in the last such Pod, and LastTime is when it came.
	Last     string      `json:"last"`
	LastTime metav1.Time `json:"lastTime"`
}
