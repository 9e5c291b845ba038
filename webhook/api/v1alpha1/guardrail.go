package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Mode says what becomes of a finding.
// +kubebuilder:validation:Enum=enforce;warn;audit
type Mode string

const (
	// ModeEnforce denies and patches.
	ModeEnforce Mode = "enforce"
	// ModeWarn answers with admission warnings.
	ModeWarn Mode = "warn"
	// ModeAudit only records.
	ModeAudit Mode = "audit"
)

// Existing says what becomes of what was there before: what an UPDATE may keep that was
// already wrong, and which Pods are injected into.
// +kubebuilder:validation:Enum=tolerate;enforce
type Existing string

const (
	// ExistingTolerate turns a finding that the stored object already has into a warning, and
	// injects only into Pods whose template was written while the injection was enforced.
	ExistingTolerate Existing = "tolerate"
	// ExistingEnforce denies it like any other, but for updates of labels, annotations,
	// finalizers or owners alone, and for rollbacks; and injects into every Pod.
	ExistingEnforce Existing = "enforce"
)

// Guardrail binds policies to namespaces. Guardrails only add up: each one that
// matches must hold, and adding one never loosens anything.
//
// +kubebuilder:object:root=true
// +kubebuilder:metadata:labels="app.kubernetes.io/part-of=taffrail"
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].reason`
// +kubebuilder:printcolumn:name="Reached",type=string,JSONPath=`.status.conditions[?(@.type=="Reached")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Guardrail struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec GuardrailSpec `json:"spec"`
	// +optional
	Status GuardrailStatus `json:"status,omitempty"`
}

// GuardrailSpec is what a Guardrail asks for.
type GuardrailSpec struct {
	// Mode of every policy below that does not name its own.
	Mode Mode `json:"mode"`
	// NamespaceSelector matches the labels of namespaces. The empty selector matches
	// every namespace and cluster-scoped objects too.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// ExcludeNamespaces are namespaces left alone, by name.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	ExcludeNamespaces []string `json:"excludeNamespaces,omitempty"`
	// Existing says what an UPDATE may keep that was already wrong, and whether the Pods of
	// templates that were there before are injected into; tolerate by default.
	// +optional
	// +kubebuilder:default=tolerate
	Existing Existing `json:"existing,omitempty"`
	// TrustedWriters are operators and add-ons whose objects are recorded, never denied, except
	// for a ReplicaSet or ControllerRevision that others could roll a workload back to.
	// +optional
	TrustedWriters TrustedWriters `json:"trustedWriters,omitempty"`
	// Exemptions says how far Exemptions from this Guardrail may go; without limit by default.
	// +optional
	Exemptions *ExemptionLimits `json:"exemptions,omitempty"`
	// Policies to hold. One policy may be bound several times with different parameters.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +listType=atomic
	Policies []PolicyBinding `json:"policies"`
}

// TrustedWriters names users and groups as the API server authenticates them.
type TrustedWriters struct {
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	Users []string `json:"users,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	Groups []string `json:"groups,omitempty"`
}

// ExemptionLimits limit what Exemptions excuse from a Guardrail. An Exemption that goes
// beyond them is refused when it is applied, and never honoured beyond them.
type ExemptionLimits struct {
	// MaxDuration is how long an Exemption is honoured after its creation, as in 2160h.
	// +optional
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}(h|m|s))+$`
	// +kubebuilder:validation:MaxLength=30
	MaxDuration string `json:"maxDuration,omitempty"`
	// Never are policies of this Guardrail, by id, that no Exemption excuses from.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	Never []string `json:"never,omitempty"`
}

// PolicyBinding asks for one policy.
type PolicyBinding struct {
	// Name is the policy's id, as `taffrail policies list` prints it.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Mode of this policy; the Guardrail's mode by default.
	// +optional
	Mode Mode `json:"mode,omitempty"`
	// FailurePolicy is what happens to an object that the policy cannot decide. It overrides the
	// failurePolicy of a Policy; for a policy of the library it is Fail by default.
	// +optional
	FailurePolicy PolicyFailure `json:"failurePolicy,omitempty"`
	// Parameters as the policy's own schema describes them. Those of one policy have 16 KiB at
	// most, in up to 8 different sets; a list has 256 items and a text 1024 bytes at most.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
}

// Condition types and reasons of a Guardrail's status.
const (
	// ConditionActive is True while the Guardrail decides requests.
	ConditionActive = "Active"
	// ReasonCompiled: all of it is in force.
	ReasonCompiled = "Compiled"
	// ReasonPartlyInvalid: some of what it names is wrong, the rest holds.
	ReasonPartlyInvalid = "PartlyInvalid"
	// ReasonInvalid: nothing of it is in force.
	ReasonInvalid = "Invalid"

	// ConditionConflicting is True while another Guardrail would inject other values.
	ConditionConflicting = "Conflicting"
	// ReasonInjectsOtherValues: in some namespaces nothing is injected.
	ReasonInjectsOtherValues = "InjectsOtherValues"
	// ReasonNoConflict: nobody disagrees.
	ReasonNoConflict = "NoConflict"
)

// GuardrailStatus says what of a Guardrail is in force.
type GuardrailStatus struct {
	// ObservedGeneration is the metadata.generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// MaxMode is the ceiling of the server that wrote this status: no policy of the Guardrail
	// has a stricter mode in effect.
	// +optional
	MaxMode Mode `json:"maxMode,omitempty"`
	// WouldDeny counts what was admitted and would have been denied if the Guardrail's mode
	// and the server's ceiling were enforce: what a person wants to know before changing
	// either. Policies that the Guardrail binds with a lower mode of their own are left out.
	// +optional
	WouldDeny *WouldDeny `json:"wouldDeny,omitempty"`
	// WouldFill counts, by workload, the Pods that injections would fill in if they were
	// enforced, and those that they leave alone.
	// +optional
	WouldFill *WouldFill `json:"wouldFill,omitempty"`
	// Injection records since when enforced injections hold, and where; unset if there is none.
	// +optional
	Injection *Injection `json:"injection,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WouldDeny counts requests since the Guardrail has its present spec. Dry runs, writers
// who are trusted and what is exempted or tolerated are left out.
type WouldDeny struct {
	// Since is when counting began.
	Since metav1.Time `json:"since"`
	// Generation of the Guardrail that was counted for; another one begins anew.
	Generation int64 `json:"generation"`
	// Requests that would have been denied.
	Requests int64 `json:"requests"`
	// Namespaces with the most such requests, by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	Namespaces []WouldDenyNamespace `json:"namespaces,omitempty"`
	// OtherRequests are those of namespaces that are not listed.
	// +optional
	OtherRequests int64 `json:"otherRequests,omitempty"`
}

// WouldDenyNamespace is the part of one namespace.
type WouldDenyNamespace struct {
	// Name is "-" for cluster-scoped objects.
	Name     string `json:"name"`
	Requests int64  `json:"requests"`
	// Policies that would have denied, by id, and how many requests each.
	// +optional
	Policies map[string]int64 `json:"policies,omitempty"`
	// Last names the object of the last such request, and LastTime is when it came.
	Last     string      `json:"last"`
	LastTime metav1.Time `json:"lastTime"`
}

// GuardrailList is a list of Guardrails.
//
// +kubebuilder:object:root=true
type GuardrailList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Guardrail `json:"items"`
}
