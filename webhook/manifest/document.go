package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/yamldoc"
)

// Document is the text of one document of a file. The objects of a List share it.
type Document struct {
	// Text is the original text, including markers, comments and line endings.
	Text []byte
	// Start is the offset of Text in the file, in bytes.
	Start int

	before int // the number of lines of the file above Text
	once   sync.Once
	root   yaml.Node
	err    error
}

// Node returns the YAML node of the object, including comments, and the number of lines in the
// file above its document: the Line of a node is relative to that. The document is parsed on the
// first call.
func (i *Item) Node() (node *yaml.Node, before int, err error) {
	if i.Document == nil {
		return nil, 0, errors.New("there is no object to find the place of")
	}
	root, err := i.Document.parse()
	if err != nil {
		return nil, 0, err
	}
	segments := yamldoc.Segments(i.Path)
	place, depth := yamldoc.Lookup(root, segments)
	if depth < len(segments) {
		return nil, 0, fmt.Errorf("the document has no %s", i.Path)
	}
	return yamldoc.Target(place.Value), i.Document.before, nil
}

func (d *Document) parse() (*yaml.Node, error) {
	d.once.Do(func() {
		// The parser mistakes a byte order mark for text if nothing follows it.
		d.err = yaml.Unmarshal(bytes.TrimPrefix(d.Text, []byte("\ufeff")), &d.root)
	})
	return &d.root, d.err
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
	place, depth := yamldoc.Lookup(root, yamldoc.Segments(path))
	switch {
	case depth == 0:
		return i.Source.Line, 0
	case place.Key != nil:
		return before + place.Key.Line, place.Key.Column
	}
	return before + place.Value.Line, place.Value.Column
}
