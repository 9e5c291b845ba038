package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Mode determines the effect of a finding.
// +kubebuilder:validation:Enum=enforce;warn;audit
type Mode string

const (
	// ModeEnforce denies requests, and applies injections.
	ModeEnforce Mode = "enforce"
	// ModeWarn returns admission warnings.
	ModeWarn Mode = "warn"
	// ModeAudit only records findings.
	ModeAudit Mode = "audit"
)

// Existing determines how existing objects are treated: whether an UPDATE may keep a violation of the stored
// object, and which Pods are injected into.
// +kubebuilder:validation:Enum=tolerate;enforce
type Existing string

const (
	// ExistingTolerate turns a finding that the stored object already has into a warning, and injects only into
	// Pods whose template was written while the injection was enforced.
	ExistingTolerate Existing = "tolerate"
	// ExistingEnforce denies a finding that the stored object already has like any other, except in rollbacks
	// and in updates of only labels, annotations, finalizers or owners. It injects into every Pod.
	ExistingEnforce Existing = "enforce"
)

// Guardrail binds policies to namespaces. An object has to comply with every Guardrail that applies to it, so
// adding a Guardrail never loosens anything.
//
// +kubebuilder:object:root=true
// +kubebuilder:metadata:labels="app.kubernetes.io/part-of=taffrail"
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.status.mode`,description="The mode in effect, under the maximum mode of the server."
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].status`
// +kubebuilder:printcolumn:name="Reached",type=string,JSONPath=`.status.conditions[?(@.type=="Reached")].status`
// +kubebuilder:printcolumn:name="Would-Deny",type=integer,JSONPath=`.status.wouldDeny.requests`,description="Admitted requests that would have been denied if the Guardrail and the server enforced."
// +kubebuilder:printcolumn:name="Violating",type=integer,JSONPath=`.status.audit.violating`,description="Existing objects with findings that no Exemption exempts."
// +kubebuilder:printcolumn:name="Audited",type=date,JSONPath=`.status.audit.completedAt`,description="How long ago all existing objects were decided."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Spec-Mode",type=string,priority=1,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Max-Mode",type=string,priority=1,JSONPath=`.status.maxMode`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Active")].reason`
// +kubebuilder:printcolumn:name="Objects",type=integer,priority=1,JSONPath=`.status.audit.objects`
// +kubebuilder:printcolumn:name="Current",type=boolean,priority=1,JSONPath=`.status.audit.current`
type Guardrail struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec GuardrailSpec `json:"spec"`
	// +optional
	Status GuardrailStatus `json:"status,omitempty"`
}

// GuardrailSpec defines which policies apply, where, and with what effect.
type GuardrailSpec struct {
	// Mode applies to every policy in policies that does not set its own.
	Mode Mode `json:"mode"`
	// NamespaceSelector matches the labels of namespaces. An empty or omitted selector matches every namespace, and
	// cluster-scoped objects.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// ExcludeNamespaces lists namespaces, by name, to which the Guardrail does not apply.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	ExcludeNamespaces []string `json:"excludeNamespaces,omitempty"`
	// Existing determines whether an UPDATE may keep a violation of the stored object, and whether values are injected
	// into Pods with older templates. It defaults to tolerate.
	// +optional
	// +kubebuilder:default=tolerate
	Existing Existing `json:"existing,omitempty"`
	// TrustedWriters lists operators and add-ons whose objects are recorded but never denied, except for a
	// ReplicaSet or ControllerRevision that others could roll a workload back to.
	// +optional
	TrustedWriters TrustedWriters `json:"trustedWriters,omitempty"`
	// Exemptions limits Exemptions from this Guardrail. By default there is no limit.
	// +optional
	Exemptions *ExemptionLimits `json:"exemptions,omitempty"`
	// Policies lists the policies to apply. A policy may be listed several times with different parameters.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +listType=atomic
	Policies []PolicyBinding `json:"policies"`
}

// TrustedWriters lists users and groups by the names with which the API server authenticates them.
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

// ExemptionLimits limits what Exemptions exempt from a Guardrail. An Exemption that exceeds the limits is
// rejected when it is applied, and has no effect beyond them if it already exists.
type ExemptionLimits struct {
	// MaxDuration is how long an Exemption is honored after its creation, such as 2160h.
	// +optional
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}(h|m|s))+$`
	// +kubebuilder:validation:MaxLength=30
	MaxDuration string `json:"maxDuration,omitempty"`
	// Never lists policies of this Guardrail, by id, from which no Exemption exempts.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	Never []string `json:"never,omitempty"`
}

// PolicyBinding binds one policy.
type PolicyBinding struct {
	// Name is the policy's id, as printed by `taffrail policies list`.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Mode is the mode of this policy. It defaults to the Guardrail's mode.
	// +optional
	Mode Mode `json:"mode,omitempty"`
	// FailurePolicy determines what happens to an object that the policy fails to decide. It overrides the
	// failurePolicy of a Policy; for a policy of the library it defaults to Fail.
	// +optional
	FailurePolicy PolicyFailure `json:"failurePolicy,omitempty"`
	// Parameters of the policy, as described by its schema. In one Guardrail, the sets of parameters of one policy may be
	// at most 16 KiB together, and at most 8 of them may differ. A list may have at most 256 items, and a string at most
	// 1024 bytes.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
}

// Condition types and reasons in the status of a Guardrail.
const (
	// ConditionActive is True while the Guardrail is in force.
	ConditionActive = "Active"
	// ReasonCompiled means that every binding is in force.
	ReasonCompiled = "Compiled"
	// ReasonPartlyInvalid means that parts of the spec are invalid, and the valid parts are in force.
	ReasonPartlyInvalid = "PartlyInvalid"
	// ReasonInvalid means that no part of the spec is in force.
	ReasonInvalid = "Invalid"

	// ConditionConflicting is True while another Guardrail would inject different values.
	ConditionConflicting = "Conflicting"
	// ReasonInjectsOtherValues means that nothing is injected in some namespaces because Guardrails conflict.
	ReasonInjectsOtherValues = "InjectsOtherValues"
	// ReasonNoConflict means that no Guardrail conflicts with this one.
	ReasonNoConflict = "NoConflict"
)

// GuardrailStatus reports which parts of a Guardrail are in force, and what it would deny or inject.
type GuardrailStatus struct {
	// ObservedGeneration is the metadata.generation that the conditions refer to.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// MaxMode is the maximum mode of the server that wrote this status. No policy of the Guardrail has a
	// stricter mode in effect.
	// +optional
	MaxMode Mode `json:"maxMode,omitempty"`
	// Mode is the mode of the Guardrail that is in effect, at most maxMode. A policy may be bound with a mode of its
	// own.
	// +optional
	Mode Mode `json:"mode,omitempty"`
	// WouldDeny counts admitted requests that would have been denied if the modes of the Guardrail and of the
	// server (--max-mode) were enforce. Consult it before you change either. Policies that the Guardrail binds
	// with a less strict mode of their own are not counted.
	// +optional
	WouldDeny *WouldDeny `json:"wouldDeny,omitempty"`
	// WouldFill counts, by workload, the Pods that injections would fill in if they were enforced, and those
	// that enforced injections left unchanged.
	// +optional
	WouldFill *WouldFill `json:"wouldFill,omitempty"`
	// Audit reports what is wrong with existing objects. It is unset while no audit runs.
	// +optional
	Audit *Audit `json:"audit,omitempty"`
	// Injection records where injections are enforced, and since when they have been. It is unset if there are none.
	// +optional
	Injection *Injection `json:"injection,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WouldDeny counts requests since the Guardrail's spec last changed. It does not count dry runs, trusted
// writers, or findings that are exempted or tolerated.
type WouldDeny struct {
	// Since is the time at which counting began.
	Since metav1.Time `json:"since"`
	// Generation is the generation of the Guardrail that was counted. Counting begins anew with each
	// generation.
	Generation int64 `json:"generation"`
	// Requests is the number of requests that would have been denied.
	Requests int64 `json:"requests"`
	// Namespaces lists the namespaces with the most such requests, by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	Namespaces []WouldDenyNamespace `json:"namespaces,omitempty"`
	// OtherRequests is the number of such requests in namespaces that are not listed.
	// +optional
	OtherRequests int64 `json:"otherRequests,omitempty"`
}

// WouldDenyNamespace counts the requests of one namespace.
type WouldDenyNamespace struct {
	// Name is the namespace, or "-" for cluster-scoped objects.
	Name     string `json:"name"`
	Requests int64  `json:"requests"`
	// Policies maps the id of each policy that would have denied to its number of requests.
	// +optional
	Policies map[string]int64 `json:"policies,omitempty"`
	// Last is the object of the most recent such request, and LastTime its time.
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
