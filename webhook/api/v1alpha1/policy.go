package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PolicyFailure is what happens to an object that a policy cannot decide: it exhausts its budget, a
// built-in function fails on the object, two rules contradict each other, or a result has a wrong
// shape.
// +kubebuilder:validation:Enum=Ignore;Fail
type PolicyFailure string

const (
	// PolicyFailureIgnore admits the object, with a warning if the policy is enforced, unless
	// another policy denies it. Whoever may create objects can then get past the policy with one
	// that it cannot decide.
	PolicyFailureIgnore PolicyFailure = "Ignore"
	// PolicyFailureFail treats the object as one that violates the policy. What the stored
	// object does not pass either is tolerated on UPDATE like any other violation.
	PolicyFailureFail PolicyFailure = "Fail"
)

// Policy is a Rego policy of the user's own, known to Guardrails by its name. It holds
// nothing by itself: a Guardrail binds it.
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

// PolicySpec is the text of a policy.
type PolicySpec struct {
	// Rego is one module with METADATA, in package taffrail.user.<name>, with underscores
	// for the name's hyphens. METADATA's id is the name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	Rego string `json:"rego"`
	// FailurePolicy is what happens to an object that the Policy cannot decide; Fail by default,
	// as in a ValidatingAdmissionPolicy. A writer can make up objects that a Policy cannot
	// decide, so Ignore makes the Policy optional for whoever looks for one. Fail makes a mistake
	// of the author deny new objects that run into it: one request at a time, with a message that
	// names the Policy, and none that changes nothing about what is stored. A Guardrail may
	// decide otherwise for its bindings.
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

// Condition types and reasons of a Policy's status, beside ConditionActive,
// ReasonCompiled and ReasonInvalid.
const (
	// ConditionHealthy is False while the Policy fails at run time.
	ConditionHealthy = "Healthy"

	// ConditionCovered is False while the kinds of the Policy leave objects out that its rules are
	// about: those that a controller makes from a template of another kind.
	ConditionCovered = "Covered"

	// ReasonEveryKind: METADATA names every kind that such objects are made from.
	ReasonEveryKind = "EveryKind"
	// ReasonKindsCompleted: METADATA left kinds out, and the Policy is about them too.
	ReasonKindsCompleted = "KindsCompleted"
	// ReasonKindsMissing: METADATA leaves kinds out.
	ReasonKindsMissing = "KindsMissing"

	// ConditionDeprecated is True while the Rego of the Policy uses what the next version of Taffrail does
	// not accept. It is absent otherwise.
	ConditionDeprecated = "Deprecated"

	// ReasonParametersByID: the Rego reads parameters under the name of the Policy.
	ReasonParametersByID = "ParametersByID"

	// ReasonLastGood: the spec does not compile, and the last one that did is in force.
	ReasonLastGood = "LastGood"
	// ReasonEvaluates: no request failed of late.
	ReasonEvaluates = "Evaluates"
	// ReasonFails: the Policy could not be evaluated for some requests.
	ReasonFails = "Fails"
)

// PolicyStatus says which text of a Policy is in force.
type PolicyStatus struct {
	// ObservedGeneration is the metadata.generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// LastGood is the last spec that compiled. It is in force where the spec does not
	// compile, on every replica and after every restart alike.
	// +optional
	LastGood *GoodPolicy `json:"lastGood,omitempty"`
	// LastFailure is the last time that the Policy could not be evaluated for a request.
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

// EvaluationFailure says why a Policy could not be evaluated. It holds nothing of the
// request's object.
type EvaluationFailure struct {
	// Generation of the Policy that failed.
	Generation int64 `json:"generation"`
	// Time is exact to a minute: not every failure is written down.
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
