package yamldoc

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Place is a member of a mapping or an element of a sequence. Key is nil for an element and for the root. Value
// is the node as written, which may be an alias.
type Place struct {
	Key, Value *yaml.Node
}

// Lookup follows segments (names of members, or decimal indices in sequences) from a document or any node of
// one, through aliases and merge keys (<<). It returns the deepest existing place, and the number of segments
// that lead to it. A place beyond an alias is at the anchor.
func Lookup(root *yaml.Node, segments []string) (place Place, depth int) {
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	place = Place{Value: root}
	for _, segment := range segments {
		next, found := step(place.Value, segment)
		if !found {
			break
		}
		place = next
		depth++
	}
	return place, depth
}

// Target returns the node itself or, for an alias, the node at its anchor.
func Target(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		return node.Alias
	}
	return node
}

// IsMerge reports whether a key of a mapping is the merge key (<<).
func IsMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge"
}

// Merged returns the mappings that the value of a merge key refers to. If several of them have a member of the
// same name, the first one counts.
func Merged(value *yaml.Node) []*yaml.Node {
	value = Target(value)
	if value.Kind == yaml.MappingNode {
		return []*yaml.Node{value}
	}
	var mappings []*yaml.Node
	if value.Kind == yaml.SequenceNode {
		for _, element := range value.Content {
			if element = Target(element); element.Kind == yaml.MappingNode {
				mappings = append(mappings, element)
			}
		}
	}
	return mappings
}

func step(node *yaml.Node, segment string) (Place, bool) {
	node = Target(node)
	switch node.Kind {
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(segment); err == nil && i >= 0 && i < len(node.Content) {
			return Place{Value: node.Content[i]}, true
		}
	case yaml.MappingNode:
		return member(node, segment, map[*yaml.Node]bool{})
	}
	return Place{}, false
}

// member looks up a member as kubectl does: the last one of that name counts, whether it is the mapping's own or
// merged. seen has the mappings that were searched already, because an anchor may contain itself or be merged
// many times.
func member(mapping *yaml.Node, name string, seen map[*yaml.Node]bool) (place Place, found bool) {
	if seen[mapping] {
		return Place{}, false
	}
	seen[mapping] = true
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if !IsMerge(key) {
			if Target(key).Value == name {
				place, found = Place{Key: key, Value: value}, true
			}
			continue
		}
		for _, source := range Merged(value) {
			if merged, ok := member(source, name, seen); ok {
				place, found = merged, true
				break
			}
		}
	}
	return place, found
}
