package config

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// AnyNamespace as a namespace of an Exemption is every one, and cluster-scoped objects too.
const AnyNamespace = "*"

// Exemption is a v1alpha1.Exemption that has been checked. Empty Kinds, Names and
// Containers narrow nothing.
type Exemption struct {
	Name       string
	Policies   []string
	Namespaces []string
	// Kinds without a group are those of any group.
	Kinds      []Kind
	Names      []string
	Containers []string
	// Until is the first moment at which the Exemption excuses nothing any more.
	Until time.Time
	// Created is when it was stored, the zero Time for one from a file.
	Created time.Time

	// At is the moment that For was asked about, the zero Time before.
	At time.Time
}

// Kind is a kind as people write it: the group is "" for the core group, and where Any is
// set it does not matter.
type Kind struct {
	schema.GroupKind

	Any bool
}

// Covers tells whether a kind is meant.
func (k Kind) Covers(kind schema.GroupKind) bool {
	return k.GroupKind == kind || k.Any && k.Kind == kind.Kind
}

// Exemptions are all there are, in force or not, sorted by name.
type Exemptions []*Exemption

// For leaves the Exemptions that are about a request at a moment.
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

// Excuse names the Exemptions that each cover a policy's finding about a container, "" for
// one that is about none, and that the Guardrail which asks for the policy honours. They are
// never combined: what two of them cover by halves is not excused. They must be from For.
func (all Exemptions) Excuse(g *Guardrail, policy, container string) (names []string) {
	for _, e := range all {
		if !slices.Contains(e.Policies, policy) || !g.Honours(e, policy, e.At) {
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
	if slices.Contains(e.Namespaces, AnyNamespace) {
		return true
	}
	namespace := r.Namespace.Name
	if r.Kind.GroupKind() == (schema.GroupKind{Kind: "Namespace"}) {
		namespace = r.Name
	}
	return namespace != "" && slices.Contains(e.Namespaces, namespace)
}

// CoversKind tells whether objects of a kind may be excused.
func (e *Exemption) CoversKind(kind schema.GroupKind) bool {
	return len(e.Kinds) == 0 || slices.ContainsFunc(e.Kinds, func(k Kind) bool { return k.Covers(kind) })
}

// coversName takes a name that the API server has yet to make for covered only where any
// name would be that it can make.
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

// matches tells whether a pattern, in which each asterisk stands for any text, is about
// the whole of a text. It takes time in proportion to both.
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

// Unnarrowed are the Exemptions that excuse an object of their kinds whatever its name.
func (all Exemptions) Unnarrowed() Exemptions {
	return slices.DeleteFunc(slices.Clone(all), func(e *Exemption) bool { return len(e.Names) > 0 })
}
