package v1alpha1

// The condition of a Guardrail and of a Policy that says whether the API server asks about
// what they are about.
const (
	// ConditionReached is True if the webhook configurations send every bound kind.
	ConditionReached = "Reached"
	// ReasonSent: every request is sent that has to be decided.
	ReasonSent = "Sent"
	// ReasonNotSent: some requests are sent to nobody; the message names them.
	ReasonNotSent = "NotSent"
	// ReasonMaybeNotSent: some requests may be sent to nobody.
	ReasonMaybeNotSent = "MaybeNotSent"
	// ReasonUnreadable: the webhook configurations, or what the cluster serves, cannot be read.
	ReasonUnreadable = "Unreadable"
)
