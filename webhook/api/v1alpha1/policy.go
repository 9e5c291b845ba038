package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PolicyFailure determines what happens to an object that a policy fails to decide: the policy exhausts its
// budget, a built-in function fails on the object, two rules conflict, or a result has the wrong type.
// +kubebuilder:validation:Enum=Ignore;Fail
type PolicyFailure string

const (
	// PolicyFailureIgnore admits the object, with a warning if the policy is enforced, unless another policy
	// denies it. Anyone who may create objects can then bypass the policy with an object on which it fails.
	PolicyFailureIgnore PolicyFailure = "Ignore"
	// PolicyFailureFail treats the object as a violation of the policy. On UPDATE it is tolerated like any
	// other violation if the policy also fails on the stored object.
	PolicyFailureFail PolicyFailure = "Fail"
)

// Policy defines a Rego policy. It has no effect until a Guardrail binds it by its name.
//
// +kubebuilder:object:root=true
// +kubebuilder:metadata:labels="app.kubernetes.io/part-of=taffrail"
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].status`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name="Covered",type=string,JSONPath=`.status.conditions[?(@.type=="Covered")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].reason`
// +kubebuilder:printcolumn:name="Reached",type=string,JSONPath=`.status.conditions[?(@.type=="Reached")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Policy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec PolicySpec `json:"spec"`
	// +optional
	Status PolicyStatus `json:"status,omitempty"`
}

// PolicySpec defines the source of a policy.
type PolicySpec struct {
	// Rego is one Rego module with METADATA, in package taffrail.user.<name>, where <name> is the name of the
	// Policy with underscores instead of hyphens. The id in METADATA is the name of the Policy.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	Rego string `json:"rego"`
	// FailurePolicy determines what happens to an object that the Policy fails to decide. It defaults to Fail,
	// as in a ValidatingAdmissionPolicy. With Ignore, anyone can bypass the Policy with an object that is built to
	// exhaust its budget. With Fail, a mistake in the Policy denies the new objects that trigger it, with a message
	// that names the Policy; an update that leaves the content of a stored object unchanged is not denied. A
	// Guardrail may override it for its bindings.
	// +optional
	// +kubebuilder:default=Fail
	FailurePolicy PolicyFailure `json:"failurePolicy,omitempty"`
	// Budget limits the work of each evaluation of the Policy: of its deny rules, and of its
	// inject rules, for one object under one set of parameters. What is counted depends on the
	// Policy and the object alone, so the same object exhausts it on every machine and under any
	// load. Such an object is one that the Policy cannot decide.
	// +optional
	Budget PolicyBudget `json:"budget,omitzero"`
}

// PolicyBudget limits the work of an evaluation.
type PolicyBudget struct {
	// Steps is how many steps an evaluation may take; 1,000,000 by default. A call, an iteration
	// and a built-in function are a step each, and more if they look at large values.
	// +optional
	// +kubebuilder:validation:Minimum=1000
	// +kubebuilder:validation:Maximum=5000000
	Steps int64 `json:"steps,omitempty"`
	// Bytes is the size of all values that an evaluation may make, whether they are still in use
	// or not; 33,554,432 (32 MiB) by default.
	// +optional
	// +kubebuilder:validation:Minimum=65536
	// +kubebuilder:validation:Maximum=134217728
	Bytes int64 `json:"bytes,omitempty"`
}

// The limits of a PolicyBudget, as in the schema of the CRD.
const (
	MinBudgetSteps = 1_000
	MaxBudgetSteps = 5_000_000
	MinBudgetBytes = 64 << 10
	MaxBudgetBytes = 128 << 20
)

// Condition types and reasons in the status of a Policy, in addition to ConditionActive, ReasonCompiled and
// ReasonInvalid.
const (
	// ConditionHealthy is False while the Policy fails at run time.
	ConditionHealthy = "Healthy"

	// ConditionCovered is False while the kinds of the Policy omit objects that its rules are about: those that
	// a controller creates from a template of another kind.
	ConditionCovered = "Covered"

	// ReasonEveryKind means that METADATA names every kind that such objects are created from.
	ReasonEveryKind = "EveryKind"
	// ReasonKindsCompleted means that METADATA omits kinds, and the Policy covers them nevertheless.
	ReasonKindsCompleted = "KindsCompleted"
	// ReasonKindsMissing means that METADATA omits kinds, and the Policy does not cover them.
	ReasonKindsMissing = "KindsMissing"

	// ConditionDeprecated is True while the Rego of the Policy uses something that the next version of Taffrail
	// rejects. It is absent otherwise.
	ConditionDeprecated = "Deprecated"

	// ReasonParametersByID means that the Rego reads parameters under the name of the Policy.
	ReasonParametersByID = "ParametersByID"

	// ReasonLastGood means that the spec does not compile, and the last one that did is in force.
	ReasonLastGood = "LastGood"
	// ReasonEvaluates means that the Policy has not recently failed.
	ReasonEvaluates = "Evaluates"
	// ReasonFails means that the Policy could not be evaluated for some requests.
	ReasonFails = "Fails"
)

// PolicyStatus reports which version of a Policy is in force, and whether it works.
type PolicyStatus struct {
	// ObservedGeneration is the metadata.generation that the conditions refer to.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// LastGood is the last spec that compiled. If the current spec does not compile, LastGood is in force, on
	// every replica and across restarts.
	// +optional
	LastGood *GoodPolicy `json:"lastGood,omitempty"`
	// LastFailure describes the most recent request for which the Policy could not be evaluated.
	// +optional
	LastFailure *EvaluationFailure `json:"lastFailure,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// GoodPolicy is a spec that compiled.
type GoodPolicy struct {
	// Generation is the metadata.generation of the spec.
	Generation int64      `json:"generation"`
	Spec       PolicySpec `json:"spec"`
}

// EvaluationFailure describes why a Policy could not be evaluated. It never quotes the request's object.
type EvaluationFailure struct {
	// Generation is the generation of the Policy that failed.
	Generation int64 `json:"generation"`
	// Time is accurate to a minute, because not every failure is recorded.
	Time    metav1.Time `json:"time"`
	Message string      `json:"message"`
}

// PolicyList is a list of Policies.
//
// +kubebuilder:object:root=true
type PolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Policy `json:"items"`
}
