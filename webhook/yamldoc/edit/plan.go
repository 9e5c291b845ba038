package edit

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// plan is what has to change in a tree of nodes, children before their parents and
// otherwise in the order of the text. No change lies inside a node that another one
// removes or replaces.
type plan struct {
	changes []change
}

// change is a replacement or a rearrangement.
type change interface{ isChange() }

// replacement puts another value where a node stands.
type replacement struct {
	slot  slot
	value any
	// keepAnchor is set where the anchor stays, and its aliases come to mean the new value.
	keepAnchor bool
}

// rearrangement takes children out of a mapping or sequence and adds others. One child
// stays, at least.
type rearrangement struct {
	node *yaml.Node
	// removed are children by their ordinal; a member and its value are one child.
	removed map[int]bool
	// names are members to add after the last that stays; values are theirs.
	names  []string
	values map[string]any
	// inserted are elements that come before the child of an ordinal, or after the last.
	inserted map[int][]any
}

func (replacement) isChange()   {}
func (rearrangement) isChange() {}

// slot is where a node hangs: at an index of its parent's Content. The root has no parent.
type slot struct {
	node, parent *yaml.Node
	index        int
}

type planner struct {
	plan
	hasAliases bool
	// changed are the values that anchored nodes come to have, gone those that lose
	// their anchor or are taken out.
	changed map[*yaml.Node]any
	gone    map[*yaml.Node]bool
}

func newPlan(root *yaml.Node, have, want any) (*plan, error) {
	p := &planner{changed: map[*yaml.Node]any{}, gone: map[*yaml.Node]bool{}, hasAliases: hasAliases(root)}
	if err := p.visit(slot{node: root}, have, want); err != nil {
		return nil, err
	}
	return &p.plan, nil
}

func hasAliases(node *yaml.Node) bool {
	return node.Kind == yaml.AliasNode || slices.ContainsFunc(node.Content, hasAliases)
}

func (p *planner) visit(at slot, have, want any) error {
	node, same := at.node, equal(have, want)
	if same && !p.hasAliases {
		return nil
	}
	if node.Kind == yaml.AliasNode {
		now, changed := p.changed[node.Alias]
		if !changed {
			now = have
		}
		if p.gone[node.Alias] || !equal(now, want) {
			p.changes = append(p.changes, replacement{slot: at, value: want})
		}
		return nil
	}
	if !same {
		p.changed[node] = want
	}
	oldMap, isMap := have.(map[string]any)
	newMap, toMap := want.(map[string]any)
	oldList, isList := have.([]any)
	newList, toList := want.([]any)
	switch {
	case same && len(node.Content) == 0:
		return nil
	case node.Kind == yaml.MappingNode && isMap && toMap && (same || len(newMap) > 0 && len(node.Content) > 0):
		return p.mapping(at, oldMap, newMap)
	case node.Kind == yaml.SequenceNode && isList && toList && (same || len(newList) > 0 && len(node.Content) > 0):
		return p.sequence(at, oldList, newList)
	case same:
		return ErrUnwritable
	}
	p.replace(at, want)
	return nil
}

func (p *planner) replace(at slot, want any) {
	scalar := at.node.Kind == yaml.ScalarNode && !isCollection(want)
	if !scalar {
		p.lose(at.node)
	}
	p.changes = append(p.changes, replacement{slot: at, value: want, keepAnchor: scalar})
}

// lose notes that a node and those in it are no longer there for aliases to mean.
func (p *planner) lose(node *yaml.Node) {
	p.gone[node] = true
	for _, child := range node.Content {
		p.lose(child)
	}
}

func (p *planner) sequence(at slot, have, want []any) error {
	node := at.node
	if len(node.Content) != len(have) {
		return ErrUnwritable
	}
	r := rearrangement{node: node, removed: map[int]bool{}, inserted: map[int][]any{}}
	next := 0
	stays := false
	for i, j := range align(have, want) {
		if j < 0 {
			r.removed[i] = true
			p.lose(node.Content[i])
			continue
		}
		stays = true
		if j > next {
			r.inserted[i] = want[next:j]
		}
		next = j + 1
		if err := p.visit(slot{node.Content[i], node, i}, have[i], want[j]); err != nil {
			return err
		}
	}
	if !stays {
		p.replace(at, want)
		return nil
	}
	if next < len(want) {
		r.inserted[len(have)] = want[next:]
	}
	if len(r.removed)+len(r.inserted) > 0 {
		p.changes = append(p.changes, r)
	}
	return nil
}

func (p *planner) mapping(at slot, have, want map[string]any) error {
	m, ok := p.members(at.node, have)
	switch same := equal(have, want); {
	case same && (!ok || m.shadowed):
		return nil
	case !ok:
		return ErrUnwritable
	case m.shadowed:
		p.replace(at, want)
		return nil
	}
	r := rearrangement{node: at.node, removed: map[int]bool{}, values: want}
	for i, name := range m.names {
		if m.merges[i] {
			continue
		}
		value, stays := want[name]
		if !stays {
			r.removed[i] = true
			p.lose(at.node.Content[2*i])
			p.lose(at.node.Content[2*i+1])
			continue
		}
		if err := p.visit(slot{at.node.Content[2*i+1], at.node, 2*i + 1}, have[name], value); err != nil {
			return err
		}
	}
	merged := p.unmerge(m, at.node, have, want, r.removed)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, found := merged[name]
		if !m.own[name] && (!found || !equal(value, want[name])) {
			r.names = append(r.names, name)
		}
	}
	if len(r.removed) == len(m.names) {
		p.replace(at, want)
		return nil
	}
	if len(r.removed)+len(r.names) > 0 {
		p.changes = append(p.changes, r)
	}
	return nil
}
