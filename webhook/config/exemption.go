package config

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// AnyNamespace, as a namespace of an Exemption, matches every namespace and all cluster-scoped
// objects.
const AnyNamespace = "*"

// Exemption is a validated v1alpha1.Exemption. Empty Kinds, Names and Containers match
// everything.
type Exemption struct {
	Name       string
	Policies   []string
	Namespaces []string
	// Kinds without a group match any group.
	Kinds      []Kind
	Names      []string
	Containers []string
	// Until is the moment at which the Exemption expires.
	Until time.Time
	// Created is the creation time, or the zero Time for an Exemption from a file.
	Created time.Time

	// At is the time passed to For. It is zero in an Exemption that For did not return.
	At time.Time
}

// Kind is a kind as users write it. The group "" is the core group; if Any is set, the group is
// ignored.
type Kind struct {
	schema.GroupKind

	Any bool
}

// Covers reports whether k matches a kind.
func (k Kind) Covers(kind schema.GroupKind) bool {
	return k.GroupKind == kind || k.Any && k.Kind == kind.Kind
}

// Exemptions is a list of Exemptions, sorted by name. Some may have expired.
type Exemptions []*Exemption

// For returns the Exemptions that match a request and are in force at a time.
func (all Exemptions) For(r *decision.Request, now time.Time) Exemptions {
	var about Exemptions
	for _, e := range all {
		if now.Before(e.Until) && e.covers(r) {
			then := *e
			then.At = now
			about = append(about, &then)
		}
	}
	return about
}

// Exempting returns the names of the Exemptions that each cover a policy's finding in a container
// ("" for a finding in no container) and that the Guardrail honors. Exemptions are never
// combined: a finding that two of them cover in part is not exempt. The receiver must come from
// For.
func (all Exemptions) Exempting(g *Guardrail, policy, container string) (names []string) {
	for _, e := range all {
		if !slices.Contains(e.Policies, policy) || !g.honors(e, policy, e.At) {
			continue
		}
		if len(e.Containers) == 0 || container != "" && slices.ContainsFunc(e.Containers, func(p string) bool { return matches(p, container) }) {
			names = append(names, e.Name)
		}
	}
	return names
}

func (e *Exemption) covers(r *decision.Request) bool {
	return e.coversNamespace(r) && e.CoversKind(r.Kind.GroupKind()) && e.coversName(r)
}

func (e *Exemption) coversNamespace(r *decision.Request) bool {
	if r.IsNamespace() {
		return e.coversNamespaceNamed(r.Name)
	}
	return e.coversNamespaceNamed(r.Namespace.Name)
}

func (e *Exemption) coversNamespaceNamed(name string) bool {
	return slices.Contains(e.Namespaces, AnyNamespace) || name != "" && slices.Contains(e.Namespaces, name)
}

// CoversKind reports whether the Exemption matches objects of a kind.
func (e *Exemption) CoversKind(kind schema.GroupKind) bool {
	return len(e.Kinds) == 0 || slices.ContainsFunc(e.Kinds, func(k Kind) bool { return k.Covers(kind) })
}

// coversName reports whether the Exemption matches the name. If the API server has yet to
// generate the name, every name it can generate must match.
func (e *Exemption) coversName(r *decision.Request) bool {
	if len(e.Names) == 0 {
		return true
	}
	return slices.ContainsFunc(e.Names, func(pattern string) bool {
		if r.Name == "" {
			return strings.HasSuffix(pattern, "*") && matches(pattern, r.GenerateName)
		}
		return matches(pattern, r.Name)
	})
}

// matches reports whether a pattern matches the whole text. An asterisk matches any text. The
// time is proportional to the length of both.
func matches(pattern, text string) bool {
	first, rest, found := strings.Cut(pattern, "*")
	if !found {
		return pattern == text
	}
	text, found = strings.CutPrefix(text, first)
	for found {
		part, more, another := strings.Cut(rest, "*")
		if !another {
			return strings.HasSuffix(text, rest)
		}
		_, text, found = strings.Cut(text, part)
		rest = more
	}
	return false
}

// Unnarrowed returns the Exemptions that match objects of any name.
func (all Exemptions) Unnarrowed() Exemptions {
	return slices.DeleteFunc(slices.Clone(all), func(e *Exemption) bool { return len(e.Names) > 0 })
}
