package pipeline

import (
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// scope narrows a decision down. The zero scope is an object as a whole.
type scope struct {
	// only is the field that findings must be about, empty where any will do.
	only decision.FieldPath
	// strict trusts nobody but the built-in controllers, and takes no Exemption.
	strict bool
	// trusted is set where a built-in controller writes what is its own.
	trusted bool
	// unnarrowed takes those Exemptions only that excuse objects of any name.
	unnarrowed bool
	// revision stands for what a request of its kind may be made from; it may be nil.
	revision *revisionOf
}

// setTrust gives the bindings the trust that the scope leaves.
func (part scope) setTrust(bounds []config.AppliedBinding, r *decision.Request) {
	for i := range bounds {
		switch {
		case part.trusted:
			bounds[i].Guardrail = bounds[i].Guardrail.Trusting(r.User.Name)
		case part.strict:
			bounds[i].Guardrail = bounds[i].Guardrail.Trusting()
		}
	}
}

// exemptions returns those that the scope takes.
func (part scope) exemptions(all config.Exemptions) config.Exemptions {
	switch {
	case part.strict:
		return nil
	case part.unnarrowed:
		return all.Unnarrowed()
	}
	return all
}
