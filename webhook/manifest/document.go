package manifest

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

// Node returns the YAML node of the object, including comments, and the number of lines in the
// file above its document: the Line of a node is relative to that.
func (i *Item) Node() (node *yaml.Node, before int, err error) {
	if i.Document == nil {
		return nil, 0, errors.New("there is no object to locate")
	}
	root, before := i.Document.Root()
	segments := decision.FieldPath(i.Path).Segments()
	place, depth := yamldoc.Lookup(root, segments)
	if depth < len(segments) {
		return nil, 0, fmt.Errorf("the document has no %s", i.Path)
	}
	return yamldoc.Target(place.Value), before, nil
}

// LineOf returns the line of the file that contains the field at path, or its nearest existing
// parent. A value behind an alias is on the line of its anchor.
func (i *Item) LineOf(path string) int {
	line, _ := i.placeOf(path)
	return line
}

func (i *Item) placeOf(path string) (line, column int) {
	root, before, err := i.Node()
	if err != nil {
		return i.Source.Line, 0
	}
	place, depth := yamldoc.Lookup(root, decision.FieldPath(path).Segments())
	switch {
	case depth == 0:
		return i.Source.Line, 0
	case place.Key != nil:
		return before + place.Key.Line, place.Key.Column
	}
	return before + place.Value.Line, place.Value.Column
}
