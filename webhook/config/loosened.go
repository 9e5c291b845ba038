package config

import (
	"slices"
	"strings"
	"time"

	"taffrail.dev/webhook/decision"
)

// Loosened is what an Exemption takes from one Guardrail in one namespace.
type Loosened struct {
	// Guardrail is "" for policies that no Guardrail binds there yet: whichever does later
	// is loosened.
	Guardrail string
	// Namespace is "" for all of them.
	Namespace string
	// Policies by id, sorted.
	Policies []string
}

// Loosened compares an Exemption with what it was before, nil for a new one, and returns what
// is loosened in the namespaces that it names. Nothing is where it covers no more, and no
// longer. A namespace that is not known may be selected by any Guardrail that does
// not exclude it.
func (s Guardrails) Loosened(after, before *Exemption, namespaceOf func(name string) decision.Namespace, now time.Time) (all []Loosened) {
	if !now.Before(after.Until) {
		return nil
	}
	if before != nil && (!now.Before(before.Until) || !before.includes(after)) {
		before = nil // then all of it is new
	}
	for _, name := range after.Namespaces {
		var policies []string
		for _, policy := range after.Policies {
			if before == nil || !slices.Contains(before.Policies, policy) || !before.coversAll(name) {
				policies = append(policies, policy)
			}
		}
		if len(policies) > 0 {
			all = append(all, s.loosenedIn(after, policies, name, namespaceOf)...)
		}
	}
	return all
}

func (s Guardrails) loosenedIn(e *Exemption, policies []string, name string, namespaceOf func(name string) decision.Namespace) (all []Loosened) {
	namespace := decision.Namespace{}
	if name == AnyNamespace {
		name = ""
	} else {
		namespace = namespaceOf(name)
	}
	bound := map[string]bool{}
	for _, g := range s {
		if name != "" && !g.Covers(namespace) {
			continue
		}
		loosened := Loosened{Guardrail: g.Name, Namespace: name}
		for _, policy := range policies {
			if g.binds(e, policy) {
				loosened.Policies, bound[policy] = append(loosened.Policies, policy), true
			}
		}
		if len(loosened.Policies) > 0 {
			slices.Sort(loosened.Policies)
			all = append(all, loosened)
		}
	}
	unbound := slices.DeleteFunc(slices.Clone(policies), func(policy string) bool { return bound[policy] })
	if len(unbound) > 0 {
		slices.Sort(unbound)
		all = append(all, Loosened{Namespace: name, Policies: unbound})
	}
	return all
}

// includes reports whether an Exemption covers all objects, containers and moments that another
// one does, as far as that depends on neither policies nor namespaces. Where that is hard to
// tell of patterns, it does not.
func (e *Exemption) includes(other *Exemption) bool {
	return !other.Until.After(e.Until) &&
		subset(other.Kinds, e.Kinds, func(kind, have Kind) bool { return have == kind || have.Any && have.Kind == kind.Kind }) &&
		subset(other.Names, e.Names, includesPattern) &&
		subset(other.Containers, e.Containers, includesPattern)
}

// subset reports whether each of some is included in one of all, where none are everything.
func subset[T any](some, all []T, included func(one, have T) bool) bool {
	if len(all) == 0 {
		return true
	}
	return len(some) > 0 && !slices.ContainsFunc(some, func(one T) bool {
		return !slices.ContainsFunc(all, func(have T) bool { return included(one, have) })
	})
}

// includesPattern reports whether a pattern is about each text that another one is about. An
// asterisk of the other can only be matched by one of this one, whatever it stands for.
func includesPattern(other, pattern string) bool {
	return matches(pattern, other)
}

func (e *Exemption) coversAll(namespace string) bool {
	return slices.Contains(e.Namespaces, AnyNamespace) || namespace != AnyNamespace && slices.Contains(e.Namespaces, namespace)
}

// Describe says in words what is loosened.
func (l *Loosened) Describe() string {
	where := "in every namespace"
	if l.Namespace != "" {
		where = "in namespace " + l.Namespace
	}
	policies := strings.Join(l.Policies, ", ")
	if l.Guardrail == "" {
		return where + ", no Guardrail binds " + policies + " yet, so it would excuse from whichever does later"
	}
	return where + ", Guardrail " + l.Guardrail + " would not hold " + policies
}
