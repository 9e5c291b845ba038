package report

import (
	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

// position is a place in a file. Both count from 1, columns in characters; they are 0
// where nobody knows.
type position struct{ Line, Column int }

// position is where a reader has to look for the field at path: the field itself or, if
// it is not there, the nearest place above it that is. The element of a list is found by
// its name, which says more than a dash. Whatever stands behind an alias is where its
// anchor is.
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

// nameOf is the key of the name that a mapping has of its own; nil where an alias or a
// merge brings it, for it then stands elsewhere and under other names.
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
