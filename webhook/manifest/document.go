package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

// Document is the text of one document of a file. The objects of a List share theirs.
type Document struct {
	// Text is as it stands in the file, with markers, comments and line ends.
	Text []byte
	// Start is where Text begins in the file, in bytes.
	Start int

	before int // lines of the file above Text
	once   sync.Once
	root   yaml.Node
	err    error
}

// Node is the object as it is written, comments and all, and how many lines of the file
// stand above its document: a node's Line counts from there. The document is parsed when
// it is first asked for.
func (i *Item) Node() (node *yaml.Node, before int, err error) {
	if i.Document == nil {
		return nil, 0, errors.New("there is no object to find the place of")
	}
	root, err := i.Document.parse()
	if err != nil {
		return nil, 0, err
	}
	segments := decision.FieldPath(i.Path).Segments()
	place, depth := yamldoc.Lookup(root, segments)
	if depth < len(segments) {
		return nil, 0, fmt.Errorf("the document has no %s", i.Path)
	}
	return yamldoc.Target(place.Value), i.Document.before, nil
}

func (d *Document) parse() (*yaml.Node, error) {
	d.once.Do(func() {
		// The parser takes a byte order mark for text where nothing follows it.
		d.err = yaml.Unmarshal(bytes.TrimPrefix(d.Text, []byte("\ufeff")), &d.root)
	})
	return &d.root, d.err
}

// LineOf is the line of the file on which the field at path is written or, if it is not
// there, the nearest place above it. Whatever is behind an alias is at its anchor.
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
