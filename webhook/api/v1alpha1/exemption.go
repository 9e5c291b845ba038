package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Exemption is a named, reasoned and expiring exception for objects. What it excuses is
// recorded and never denied, warned about or injected. Each Exemption stands for itself:
// a finding is excused where one of them covers it wholly.
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

// ExemptionSpec says what is excused, and who answers for it until when. Whatever
// narrows it further is optional; what is left out narrows nothing.
type ExemptionSpec struct {
	// Policies by id, as `taffrail policies list` prints them.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +listType=set
	Policies []string `json:"policies"`
	// Namespaces by name; "*" is every one, and the cluster-scoped objects too. A
	// Namespace is in itself.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	Namespaces []string `json:"namespaces"`
	// Kinds as Kind for any group, or as Kind.group.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	// +listType=set
	Kinds []string `json:"kinds,omitempty"`
	// Names of objects. An asterisk stands for any text. What anybody may name so is
	// excused: an Exemption by name is as narrow as the right to create such objects.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +listType=set
	Names []string `json:"names,omitempty"`
	// Containers by name, with asterisks as in names. Where any is given, findings that
	// are not about a container are not excused.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	Containers []string `json:"containers,omitempty"`
	// Reason why the objects need not be right yet.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2000
	Reason string `json:"reason"`
	// Owner is whom to ask: a team, a person, an address.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	Owner string `json:"owner"`
	// Expires is the last day of the Exemption in UTC, as in 2027-01-31, or the moment of
	// its end in RFC 3339, as in 2027-01-31T18:00:00Z.
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9:]+))?$`
	Expires string `json:"expires"`
}

// Condition types and reasons of an Exemption's status, beside ConditionActive.
const (
	// ConditionExpiring is True in the last days of an Exemption, and after them.
	ConditionExpiring = "Expiring"
	// ConditionNeeded is False where the Exemption excuses nothing that is there.
	ConditionNeeded = "Needed"

	// ReasonLimited: a Guardrail honours it for less than it names, or not at all.
	ReasonLimited = "Limited"
	// ReasonInForce: the Exemption excuses what it covers.
	ReasonInForce = "InForce"
	// ReasonExpired: its time is over.
	ReasonExpired = "Expired"
	// ReasonExpiresSoon: its end is near.
	ReasonExpiresSoon = "ExpiresSoon"
	// ReasonExpiresLater: its end is not near.
	ReasonExpiresLater = "ExpiresLater"
	// ReasonExcuses: some objects would have findings without it.
	ReasonExcuses = "Excuses"
	// ReasonExcusesNothing: no object that could be looked at needs it.
	ReasonExcusesNothing = "ExcusesNothing"
	// ReasonNotCounted: nothing was counted, because it is not in force or its objects could
	// not be looked at.
	ReasonNotCounted = "NotCounted"
)

// ExemptionStatus says whether an Exemption is in force, and for what.
type ExemptionStatus struct {
	// ObservedGeneration is the metadata.generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Excuses is what the Exemption excuses of the objects that are in the cluster.
	// +optional
	Excuses *Excuses `json:"excuses,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Excuses counts what an Exemption excuses. Pods and other objects that a controller
// made from a template are counted as that template.
type Excuses struct {
	// Findings that would be denied, warned about or recorded without it.
	Findings int64 `json:"findings"`
	// Objects that have such findings.
	Objects int64 `json:"objects"`
	// NotCounted are the kinds of which it is not known what is excused: they could not be
	// listed, some object could not be decided, or what is excused is an injection.
	// +optional
	// +listType=atomic
	NotCounted []string `json:"notCounted,omitempty"`
	// CountedAt is when the objects were looked at.
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
