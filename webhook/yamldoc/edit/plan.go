package edit

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// plan is the list of changes to a tree of nodes, children before their parents and otherwise in
// the order of the text. No change is inside a node that another one removes or replaces.
type plan struct {
	changes []change
}

// change is a replacement or a rearrangement.
type change interface{ isChange() }

// replacement replaces the value of a node.
type replacement struct {
	slot  slot
	value any
	// keepAnchor is set if the anchor stays, so that its aliases refer to the new value.
	keepAnchor bool
}

// rearrangement removes and adds children of a mapping or sequence. At least one child stays.
type rearrangement struct {
	node *yaml.Node
	// removed contains the ordinals of children. A member and its value are one child.
	removed map[int]bool
	// names are the members to add after the last one that stays, with their values.
	names  []string
	values map[string]any
	// inserted maps the ordinal of a child to the elements to insert before it. The number of
	// children stands for the end.
	inserted map[int][]any
}

func (replacement) isChange()   {}
func (rearrangement) isChange() {}

// slot is the position of a node: an index into its parent's Content. The root has no parent.
type slot struct {
	node, parent *yaml.Node
	index        int
}

type planner struct {
	plan
	hasAliases bool
	// changed maps nodes with anchors to their new values. gone contains the nodes that are removed
	// or lose their anchor.
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
		p.drop(at.node)
	}
	p.changes = append(p.changes, replacement{slot: at, value: want, keepAnchor: scalar})
}

// drop records that a node and its children are no longer available to aliases.
func (p *planner) drop(node *yaml.Node) {
	p.gone[node] = true
	for _, child := range node.Content {
		p.drop(child)
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
			p.drop(node.Content[i])
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
			p.drop(at.node.Content[2*i])
			p.drop(at.node.Content[2*i+1])
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
