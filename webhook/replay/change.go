package replay

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
)

// change counts what the second configuration changes about a write.
func (c *Collector) change(r *Result) {
	before, after := &r.Outcomes[0], &r.Outcomes[1]
	what := compareOutcomes(before, after)
	if what == "" {
		return
	}
	all := c.report.Changes
	switch what {
	case NewlyDenied:
		all.NewlyDenied++
	case Uncertain:
		all.Uncertain++
	case NoLongerDenied:
		all.NoLongerDenied++
	case OtherMode:
		all.OtherMode++
	case OtherPatch:
		all.OtherPatch++
	}
	added, removed := differing(before, after)
	k := keyOf(r, added, removed)
	k[0] ^= byte(slices.Index(changeKinds(), what))
	one := c.changes[k]
	if one == nil {
		if len(c.changes) >= maxWorkloads {
			all.MoreWorkloads++
			return
		}
		one = &Change{Workload: c.workloadOf(r, after.Verdict(), added), What: what, Before: before.Verdict(), Removed: make([]Finding, 0, len(removed))}
		for _, f := range removed {
			one.Removed = append(one.Removed, findingOf(f))
		}
		c.changes[k] = one
	}
	c.count(&one.Workload, r)
}

// compareOutcomes returns how the second outcome differs, or "" if it does not.
func compareOutcomes(before, after *Outcome) ChangeKind {
	was, is := before.Verdict(), after.Verdict()
	switch {
	case is == decision.VerdictDeny && was == decision.VerdictUnknown, is == decision.VerdictUnknown && was != is:
		return Uncertain
	case is == decision.VerdictDeny && was != is:
		return NewlyDenied
	case was == decision.VerdictDeny && was != is:
		return NoLongerDenied
	}
	if added, removed := differing(before, after); len(added)+len(removed) > 0 {
		return OtherMode
	}
	if !reflect.DeepEqual(patchOf(before), patchOf(after)) {
		return OtherPatch
	}
	return ""
}

func patchOf(o *Outcome) []decision.PatchOperation {
	if o.Mutating == nil {
		return nil
	}
	return o.Mutating.Patch
}

// differing returns the findings that only the second outcome has, and those that only the first has. A finding under
// another mode is in both.
func differing(before, after *Outcome) (added, removed []*decision.Finding) {
	type identity struct {
		policy, container, key, outcome string
		mode                            decision.Mode
		digest                          [32]byte
	}
	of := func(o *Outcome) map[identity]*decision.Finding {
		all := map[identity]*decision.Finding{}
		for f := range findings(o) {
			all[identity{f.Policy, f.Container, f.Key, f.Outcome(), f.Mode, f.Digest}] = f
		}
		return all
	}
	had, has := of(before), of(after)
	only := func(all, other map[identity]*decision.Finding) (some []*decision.Finding) {
		for id, f := range all {
			if _, both := other[id]; !both {
				some = append(some, f)
			}
		}
		slices.SortFunc(some, func(a, b *decision.Finding) int {
			return cmp.Or(strings.Compare(a.Policy, b.Policy), strings.Compare(a.Container, b.Container), strings.Compare(a.Path, b.Path), strings.Compare(a.Message, b.Message))
		})
		return some
	}
	return only(has, had), only(had, has)
}

func (c *Collector) sortChanges() {
	order := changeKinds()
	all := make([]Change, 0, len(c.changes))
	for _, one := range c.changes {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b Change) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.What), slices.Index(order, b.What)), compareWorkloads(&a.Workload, &b.Workload))
	})
	c.report.Changes.Workloads = all
}
