package report

import (
	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

// position is a place in a file. Lines and columns start at 1, and columns count characters. They
// are 0 if the position is not known.
type position struct{ Line, Column int }

// position returns the place of the field at path or, if it does not exist, of its nearest
// parent. For the element of a list that is the element's name, which is more helpful than the
// dash. A value behind an alias is at its anchor.
func (o *Object) position(path string) position {
	root, before, err := o.Item.Node()
	if err != nil {
		return position{Line: o.Source.Line}
	}
	place, _ := yamldoc.Lookup(root, decision.FieldPath(path).Segments())
	node := place.Key
	if node == nil {
		node = place.Value
		if name := nameOf(node); name != nil && node != root {
			node = name
		}
	}
	return position{Line: before + node.Line, Column: node.Column}
}

// nameOf returns the key of a mapping's own name. It returns nil if an alias or a merge key
// provides the name, which is then elsewhere and shared with others.
func nameOf(mapping *yaml.Node) *yaml.Node {
	if mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == "name" {
			return mapping.Content[i]
		}
	}
	return nil
}
