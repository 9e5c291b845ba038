package v1alpha1

// The condition in the status of a Guardrail or Policy that reports whether the API server sends the bound
// kinds to Taffrail.
const (
	// ConditionReached is True if the webhook configurations send every bound kind.
	ConditionReached = "Reached"
	// ReasonSent means that every request that has to be decided is sent.
	ReasonSent = "Sent"
	// ReasonNotSent means that some requests are not sent. The message names them.
	ReasonNotSent = "NotSent"
	// ReasonMaybeNotSent means that some requests may not be sent.
	ReasonMaybeNotSent = "MaybeNotSent"
	// ReasonUnreadable means that the webhook configurations, or the resources that the cluster serves, cannot
	// be read.
	ReasonUnreadable = "Unreadable"
)
