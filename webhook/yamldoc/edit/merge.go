package edit

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/yamldoc"
)

// members describes the pairs of a mapping.
type members struct {
	names  []string // by ordinal, as in the JSON
	merges map[int]bool
	own    map[string]bool
	// shadowed is true if a merged member overrides an own member above it.
	shadowed bool
}

// members is not ok if the name of a member differs from its text, as for 0x10.
func (p *planner) members(mapping *yaml.Node, have map[string]any) (m members, ok bool) {
	m.merges, m.own = map[int]bool{}, map[string]bool{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if yamldoc.IsMerge(key) {
			m.merges[i/2] = true
			m.names = append(m.names, "")
			for name := range p.provided(mapping.Content[i+1], nil) {
				m.shadowed = m.shadowed || m.own[name]
			}
			continue
		}
		name := yamldoc.Target(key).Value
		if _, found := have[name]; !found {
			return m, false
		}
		m.names = append(m.names, name)
		m.own[name] = true
	}
	return m, true
}

// unmerge returns the members that the merge keys provide. If they would provide unwanted
// members, or if their anchor is removed, the merge keys are removed and it returns nil.
func (p *planner) unmerge(m members, mapping *yaml.Node, have, want map[string]any, removed map[int]bool) map[string]any {
	merged := map[string]any{}
	keep := true
	for i := range m.names {
		if !m.merges[i] {
			continue
		}
		value := mapping.Content[2*i+1]
		maps.Copy(merged, p.provided(value, have))
		for _, node := range append(yamldoc.Merged(value), yamldoc.Target(value)) {
			keep = keep && !p.gone[node]
		}
	}
	for name := range merged {
		_, wanted := want[name]
		keep = keep && wanted
	}
	if keep {
		return merged
	}
	for i := range m.merges {
		removed[i] = true
		p.drop(mapping.Content[2*i+1])
	}
	return nil
}

// provided returns the members that the value of a merge key provides after the change. A member
// that does not change has the value it has in the mapping it is merged into.
func (p *planner) provided(value *yaml.Node, have map[string]any) map[string]any {
	members := map[string]any{}
	for _, source := range slices.Backward(yamldoc.Merged(value)) {
		if now, changed := p.changed[source].(map[string]any); changed {
			maps.Copy(members, now)
			continue
		}
		for j := 0; j+1 < len(source.Content); j += 2 {
			key := source.Content[j]
			if !yamldoc.IsMerge(key) {
				name := yamldoc.Target(key).Value
				members[name] = have[name]
				continue
			}
			maps.Copy(members, p.provided(source.Content[j+1], have))
		}
	}
	return members
}
