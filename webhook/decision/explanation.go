package decision

import "time"

// Explanation states what applies to an object, and why.
type Explanation struct {
	Namespace Namespace
	// Guardrails has all in force, sorted by name, including those that do not apply.
	Guardrails []GuardrailExplanation
	// Exemptions has all, sorted by name, including those that do not apply.
	Exemptions []ExemptionExplanation
	// Facts has those that the bound policies read for this object.
	Facts []FactExplanation
	// Controllers has the built-in controllers that write objects of the kind, sorted. Their
	// objects are recorded and never denied if the template that they copy has been decided.
	Controllers []string
}

// GuardrailExplanation states whether a Guardrail applies to an object.
type GuardrailExplanation struct {
	Name    string
	Applies bool
	// Uncertain is true if it depends on labels that are not known. Then Applies is true.
	Uncertain bool
	Reason    string
	// Bindings has the bindings of policies that cover the kind. It is empty if the Guardrail does
	// not apply.
	Bindings []BindingExplanation
	// OtherKinds has the policies that do not cover the kind, sorted.
	OtherKinds []string
	// TrustedUsers and TrustedGroups are the writers whose objects are recorded and never denied.
	TrustedUsers, TrustedGroups []string
	// TolerateExisting is true if an update may keep existing violations.
	TolerateExisting bool
}

// BindingExplanation states how a policy holds for an object.
type BindingExplanation struct {
	Policy string
	// Mode is the one in effect, after the maximum mode.
	Mode Mode
	// BoundMode is the mode without the maximum mode.
	BoundMode Mode
	// Pinned is true if the binding sets a mode of its own, below that of the Guardrail.
	Pinned bool
	// Exemptions has the names of those that exempt the object, or some of its containers.
	Exemptions []string
}

// ExemptionExplanation states whether an Exemption applies to an object.
type ExemptionExplanation struct {
	Name    string
	Applies bool
	Reason  string
	// Policies are those that it exempts from, if it applies and some Guardrail honors it.
	Policies []string
	// Containers restricts the Exemption to these containers, if there are any.
	Containers []string
	// Until is when the Exemption expires.
	Until time.Time
}

// FactExplanation lists the objects of one kind of facts.
type FactExplanation struct {
	Fact Fact
	// Policies are those that read the fact, sorted.
	Policies []string
	// Objects has the names of the objects, sorted.
	Objects []string
	// Unread is the reason if the objects could not be read.
	Unread string
}
