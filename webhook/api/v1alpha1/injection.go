package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Injection records since when a Guardrail's injections have been enforced. If existing is tolerate, values
// are injected only into Pods whose template was written after that. All times are the API server's.
type Injection struct {
	// Periods lists the times in which a policy was enforced with one set of parameters. A Pod gets the values
	// of the period in which its template was written. When a policy is no longer enforced, its periods are
	// dropped.
	// +optional
	// +listType=atomic
	Periods []InjectionPeriod `json:"periods,omitempty"`
	// NamespaceSelector and ExcludeNamespaces are copies of the fields of the spec for which Namespaces was
	// recorded.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// +optional
	// +listType=atomic
	ExcludeNamespaces []string `json:"excludeNamespaces,omitempty"`
	// SelectionSince is the time at which that selection was recorded.
	SelectionSince metav1.Time `json:"selectionSince"`
	// Everywhere is the time since which all namespaces that are not listed have been selected. It is unset if
	// the selector is not empty.
	// +optional
	Everywhere *metav1.Time `json:"everywhere,omitempty"`
	// Namespaces lists namespaces by the time since which they have been selected: all selected namespaces if the
	// selector is not empty, otherwise only those that were excluded before.
	// +optional
	// +listType=atomic
	Namespaces []InjectionNamespaces `json:"namespaces,omitempty"`
	// Unrecorded is the number of selected namespaces beyond the maximum that can be recorded. Nothing is injected
	// into Pods of controllers in these namespaces.
	// +optional
	Unrecorded int32 `json:"unrecorded,omitempty"`
}

// InjectionPeriod is a time in which a policy was enforced with one set of parameters.
type InjectionPeriod struct {
	// Policy is the id of the policy.
	Policy string `json:"policy"`
	// Parameters includes the defaults.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Parameters apiextensionsv1.JSON `json:"parameters"`
	Since      metav1.Time          `json:"since"`
	// Until is the end of the period. It is unset while the policy is enforced.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// InjectionNamespaces lists namespaces that have been selected since the same time.
type InjectionNamespaces struct {
	Since metav1.Time `json:"since"`
	// +listType=atomic
	Names []string `json:"names"`
}

// WouldFill counts Pods that lack what an injection sets, since the Guardrail's spec last changed. It does not
// count dry runs. A Pod may be counted once for each request about it.
type WouldFill struct {
	// Since is the time at which counting began.
	Since metav1.Time `json:"since"`
	// Generation is the generation of the Guardrail that was counted. Counting begins anew with each
	// generation.
	Generation int64 `json:"generation"`
	// Pods is the number of Pods that would be filled in if the modes of the Guardrail and of the server
	// (--max-mode) were enforce.
	Pods int64 `json:"pods"`
	// Left is the number of Pods that an enforced injection left unchanged, because existing is tolerate and
	// the template is older, or because the writer is trusted.
	Left int64 `json:"left"`
	// Workloads lists the workloads with the most such Pods.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=workload
	Workloads []WouldFillWorkload `json:"workloads,omitempty"`
	// OtherPods is the number of Pods, of both kinds, in workloads that are not listed.
	// +optional
	OtherPods int64 `json:"otherPods,omitempty"`
}

// WouldFillWorkload counts the Pods of one workload.
type WouldFillWorkload struct {
	Namespace string `json:"namespace"`
	// Workload is the kind and name of the workload, or of the Pod itself.
	Workload string `json:"workload"`
	Pods     int64  `json:"pods"`
	Left     int64  `json:"left"`
	// Last lists what was not set in the most recent such Pod, and LastTime is the time of its request.
	Last     string      `json:"last"`
	LastTime metav1.Time `json:"lastTime"`
}
