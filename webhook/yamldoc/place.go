package yamldoc

import (
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// LineOf is the line of the field at a path such as spec.policies[0].name, or of
// the nearest field above it that the document has.
func (d *Document) LineOf(path string) int {
	node, line := d.root, d.Line
	for step, rest := nextStep(path); step != "" && node != nil; step, rest = nextStep(rest) {
		place, child := find(node, step)
		if place == nil {
			break
		}
		node, line = child, d.before+place.Line
	}
	return line
}

// nextStep cuts the first key or index off a path: "a", "[0]" and "[some.key]".
func nextStep(path string) (step, rest string) {
	path = strings.TrimPrefix(path, ".")
	if strings.HasPrefix(path, "[") {
		if end := strings.IndexByte(path, ']'); end > 0 {
			return path[:end+1], path[end+1:]
		}
	}
	if end := strings.IndexAny(path[min(1, len(path)):], ".["); end >= 0 {
		return path[:end+1], path[end+1:]
	}
	return path, ""
}

// find returns the node that marks the place of a step, and the value there.
func find(node *yamlv3.Node, step string) (place, value *yamlv3.Node) {
	if node.Kind == yamlv3.AliasNode {
		node = node.Alias
	}
	key := strings.TrimSuffix(strings.TrimPrefix(step, "["), "]")
	switch node.Kind {
	case yamlv3.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	case yamlv3.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				return node.Content[i], node.Content[i+1]
			}
		}
	}
	return nil, nil
}
