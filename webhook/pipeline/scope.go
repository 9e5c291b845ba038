package pipeline

import (
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// scope restricts a decision to a part of an object. The zero scope covers the whole object.
type scope struct {
	// only restricts findings to a field and those below it; empty means no restriction.
	only decision.FieldPath
	// strict trusts only the built-in controllers, and ignores Exemptions.
	strict bool
	// trusted is set if a built-in controller writes an object of its own.
	trusted bool
	// unnarrowed considers only Exemptions for objects of any name.
	unnarrowed bool
	// revision is the revision whose template is decided, or nil.
	revision *revisionOf
}

// setTrust replaces the trusted writers of the bindings as the scope requires.
func (within scope) setTrust(bindings []config.AppliedBinding, r *decision.Request) {
	for i := range bindings {
		switch {
		case within.trusted:
			bindings[i].Guardrail = bindings[i].Guardrail.Trusting(r.User.Name)
		case within.strict:
			bindings[i].Guardrail = bindings[i].Guardrail.Trusting()
		}
	}
}

// exemptions returns the Exemptions that the scope considers.
func (within scope) exemptions(all config.Exemptions) config.Exemptions {
	switch {
	case within.strict:
		return nil
	case within.unnarrowed:
		return all.Unnarrowed()
	}
	return all
}
