package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Exemption exempts objects from policies, for a documented reason and until a date. An exempted finding is
// recorded, but causes no denial, warning or injection. Exemptions do not add up: one of them has to cover a
// finding completely.
//
// +kubebuilder:object:root=true
// +kubebuilder:metadata:labels="app.kubernetes.io/part-of=taffrail"
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expires`
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].reason`
// +kubebuilder:printcolumn:name="Excuses",type=integer,JSONPath=`.status.excuses.findings`
// +kubebuilder:printcolumn:name="Owner",type=string,JSONPath=`.spec.owner`
type Exemption struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ExemptionSpec `json:"spec"`
	// +optional
	Status ExemptionStatus `json:"status,omitempty"`
}

// ExemptionSpec defines what is exempted, until when, and who is responsible. Optional fields narrow the
// Exemption further; an omitted field narrows nothing.
type ExemptionSpec struct {
	// Policies lists policies by id, as printed by `taffrail policies list`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +listType=set
	Policies []string `json:"policies"`
	// Namespaces lists namespaces by name. "*" stands for every namespace and for cluster-scoped objects. A
	// Namespace object counts as being in the namespace that it defines.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	Namespaces []string `json:"namespaces"`
	// Kinds lists kinds, as Kind for any API group or as Kind.group.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	// +listType=set
	Kinds []string `json:"kinds,omitempty"`
	// Names lists names of objects; an asterisk stands for any text. Anyone who may create objects with such a
	// name can use the Exemption.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	Names []string `json:"names,omitempty"`
	// Containers lists containers by name, with asterisks as in names. If it is set, only findings about these
	// containers are exempted.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	Containers []string `json:"containers,omitempty"`
	// Reason explains why the objects cannot comply yet.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2000
	Reason string `json:"reason"`
	// Owner is the contact for questions: a team, a person or an address.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	Owner string `json:"owner"`
	// Expires is either the last day of the Exemption in UTC, such as 2027-01-31, or the time of its end in RFC
	// 3339 format, such as 2027-01-31T18:00:00Z.
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9:]+))?$`
	Expires string `json:"expires"`
}

// Condition types and reasons in the status of an Exemption, in addition to ConditionActive.
const (
	// ConditionExpiring is True during the last days of an Exemption, and after it has expired.
	ConditionExpiring = "Expiring"
	// ConditionNeeded is False if no existing object needs the Exemption.
	ConditionNeeded = "Needed"

	// ReasonLimited means that a Guardrail honors only a part of the Exemption, or none of it.
	ReasonLimited = "Limited"
	// ReasonInForce means that the Exemption exempts what it covers.
	ReasonInForce = "InForce"
	// ReasonExpired means that the Exemption has expired.
	ReasonExpired = "Expired"
	// ReasonExpiresSoon means that the Exemption is about to expire.
	ReasonExpiresSoon = "ExpiresSoon"
	// ReasonExpiresLater means that the Exemption is not about to expire.
	ReasonExpiresLater = "ExpiresLater"
	// ReasonExcuses means that some objects would have findings without the Exemption.
	ReasonExcuses = "Excuses"
	// ReasonExcusesNothing means that none of the objects that could be decided needs the Exemption.
	ReasonExcusesNothing = "ExcusesNothing"
	// ReasonNotCounted means that nothing was counted, because the Exemption is not in force or its objects
	// could not be decided.
	ReasonNotCounted = "NotCounted"
)

// ExemptionStatus reports whether an Exemption is in force, and what it exempts.
type ExemptionStatus struct {
	// ObservedGeneration is the metadata.generation that the conditions refer to.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Excuses counts the findings in existing objects that the Exemption exempts.
	// +optional
	Excuses *Excuses `json:"excuses,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Excuses counts what an Exemption exempts. Pods and other objects that a controller created from a template
// are counted as that template.
type Excuses struct {
	// Findings is the number of findings that would be denied, warned about or recorded without the Exemption.
	Findings int64 `json:"findings"`
	// Objects is the number of objects with such findings.
	Objects int64 `json:"objects"`
	// NotCounted lists the kinds that could not be counted: they could not be listed, some object could not be
	// decided, or the Exemption exempts an injection.
	// +optional
	// +listType=atomic
	NotCounted []string `json:"notCounted,omitempty"`
	// CountedAt is the time of the count.
	CountedAt metav1.Time `json:"countedAt"`
}

// ExemptionList is a list of Exemptions.
//
// +kubebuilder:object:root=true
type ExemptionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Exemption `json:"items"`
}
