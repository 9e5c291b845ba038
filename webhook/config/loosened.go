package config

import (
	"slices"
	"strings"
	"time"

	"taffrail.dev/webhook/decision"
)

// Loosened is what an Exemption takes from one Guardrail in one namespace.
type Loosened struct {
	// Guardrail is "" for policies that no Guardrail binds there yet: the Exemption will loosen
	// any that binds them later.
	Guardrail string
	// Namespace is "" for all namespaces.
	Namespace string
	// Policies has the ids, sorted.
	Policies []string
}

// Loosened returns what an Exemption loosens beyond its previous version, which is nil for a
// new one, in the namespaces that it names. A namespace that is not known may be selected by
// any Guardrail that does not exclude it.
func (s Guardrails) Loosened(after, before *Exemption, namespaceOf func(name string) decision.Namespace, now time.Time) (all []Loosened) {
	if !now.Before(after.Until) {
		return nil
	}
	if before != nil && (!now.Before(before.Until) || !before.includes(after)) {
		before = nil // everything is new
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

// includes reports whether an Exemption matches all objects, containers and times that another
// one matches, disregarding policies and namespaces. It returns false if that cannot be
// determined from the patterns.
func (e *Exemption) includes(other *Exemption) bool {
	return !other.Until.After(e.Until) &&
		subset(other.Kinds, e.Kinds, func(kind, have Kind) bool { return have == kind || have.Any && have.Kind == kind.Kind }) &&
		subset(other.Names, e.Names, includesPattern) &&
		subset(other.Containers, e.Containers, includesPattern)
}

// subset reports whether each element of some is included in an element of all. An empty all
// includes everything.
func subset[T any](some, all []T, included func(one, have T) bool) bool {
	if len(all) == 0 {
		return true
	}
	return len(some) > 0 && !slices.ContainsFunc(some, func(one T) bool {
		return !slices.ContainsFunc(all, func(have T) bool { return included(one, have) })
	})
}

// includesPattern reports whether pattern matches every text that other matches. An asterisk in
// other can only be matched by an asterisk in pattern, so matching other as a text is
// sufficient.
func includesPattern(other, pattern string) bool {
	return matches(pattern, other)
}

func (e *Exemption) coversAll(namespace string) bool {
	return slices.Contains(e.Namespaces, AnyNamespace) || namespace != AnyNamespace && slices.Contains(e.Namespaces, namespace)
}

// Describe returns a sentence about what is loosened.
func (l *Loosened) Describe() string {
	where := "in every namespace"
	if l.Namespace != "" {
		where = "in namespace " + l.Namespace
	}
	policies := strings.Join(l.Policies, ", ")
	if l.Guardrail == "" {
		return where + ", no Guardrail binds " + policies + " yet, and the Exemption would apply to any Guardrail that binds them later"
	}
	return where + ", Guardrail " + l.Guardrail + " would no longer apply " + policies
}
