package replay

import (
	"cmp"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
)

// groups counts by name.
type groups map[string]*Group

func (g groups) add(name string, verdict decision.Verdict, filled bool) {
	one := g[name]
	if one == nil {
		if len(g) >= maxGroups {
			name = "(others)"
			one = g[name]
		}
		if one == nil {
			one = &Group{Name: redacted(name)}
			g[strings.Clone(name)] = one
		}
	}
	switch verdict {
	case decision.VerdictDeny:
		one.Deny++
	case decision.VerdictUnknown:
		one.Unknown++
	case decision.VerdictWarn:
		one.Warn++
	case decision.VerdictAllow:
	}
	if filled {
		one.Filled++
	}
}

// sorted returns the groups in which something is not simply allowed.
func (g groups) sorted() []Group {
	all := make([]Group, 0, len(g))
	for _, one := range g {
		if one.Deny+one.Unknown+one.Warn+one.Filled > 0 {
			all = append(all, *one)
		}
	}
	slices.SortFunc(all, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Deny, a.Deny), cmp.Compare(b.Unknown, a.Unknown), cmp.Compare(b.Warn, a.Warn), cmp.Compare(b.Filled, a.Filled), strings.Compare(a.Name, b.Name))
	})
	return all
}
