package edit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

// ErrUnwritable is returned if a document cannot be changed without loss.
var ErrUnwritable = errors.New("the YAML is written in a way that cannot be changed without loss")

const byteOrderMark = "\ufeff"

// Document is one document to which patches are applied.
type Document struct {
	mark       []byte // the byte order mark, if there is one
	text       []byte
	root       *yaml.Node
	have, want any
}

// Parse parses the text of one document. Its errors do not quote the text.
func Parse(text []byte) (*Document, error) {
	value, err := valueOf(text)
	if err != nil {
		return nil, err
	}
	d := &Document{have: value, want: runtime.DeepCopyJSONValue(value)}
	d.text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	d.mark = text[:len(text)-len(d.text)]
	var node yaml.Node
	if err := yaml.Unmarshal(d.text, &node); err != nil || len(node.Content) != 1 {
		return nil, ErrUnwritable
	}
	d.root = node.Content[0]
	return d, nil
}

// Patch applies all operations to the value at a path in the document, for example items and 0.
// If one of them fails, none is applied. The text changes only in Text.
func (d *Document) Patch(path []string, patch []decision.PatchOperation) error {
	object, err := get(d.want, path)
	if err != nil {
		return err
	}
	patched, err := apply(object, patch)
	if err != nil {
		return err
	}
	d.want, err = setValue(d.want, path, patched)
	return err
}

// Text returns the document with the patches applied. If they change nothing, it returns the
// original text, byte for byte. It returns ErrUnwritable if the patched value cannot be written
// exactly.
func (d *Document) Text() ([]byte, error) {
	if equal(d.have, d.want) {
		return slices.Concat(d.mark, d.text), nil
	}
	style := styleOf(d)
	text, err := editText(d, style)
	if err != nil || !d.isEquivalent(text) {
		text, err = rewrite(d, style)
		if err != nil || !d.isEquivalent(text) {
			return nil, ErrUnwritable
		}
	}
	return slices.Concat(d.mark, text), nil
}

// isEquivalent reports whether the text has the patched value and is still a single document.
func (d *Document) isEquivalent(text []byte) bool {
	if len(yamldoc.Split(text)) != len(yamldoc.Split(d.text)) {
		return false
	}
	value, err := valueOf(text)
	return err == nil && equal(value, d.want)
}

func valueOf(text []byte) (any, error) {
	parsed, err := yamldoc.Parse(yamldoc.Chunk{Line: 1, Data: text})
	if err != nil {
		return nil, err
	}
	return parsed.Value, nil
}

// normalize converts a value to the types that parsing a document produces. Values computed by
// Rego have other types of numbers.
func normalize(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("the value is not JSON: %w", err)
	}
	return valueOf(text)
}
