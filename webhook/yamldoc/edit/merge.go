package edit

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/yamldoc"
)

// members is what the pairs of a mapping are.
type members struct {
	names  []string // by ordinal, as the JSON has them
	merges map[int]bool
	own    map[string]bool
	// shadowed is set where something that is merged wins over a member of its own above.
	shadowed bool
}

// members is not ok where a name cannot be told from the text, as that of 0x10.
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

// unmerge returns what merge keys will provide. Where that is more than is wanted, or
// the anchor goes, the merge keys are removed and provide nothing.
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
		p.lose(mapping.Content[2*i+1])
	}
	return nil
}

// provided is what the value of a merge key comes to provide. A member that did not
// change has the value that it has in the mapping it is merged into.
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
