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

// ErrUnwritable says that the text of a document is too odd to be changed.
var ErrUnwritable = errors.New("the YAML is written in a way that cannot be changed without loss")

const byteOrderMark = "\ufeff"

// Document is one document that patches are applied to.
type Document struct {
	mark       []byte // the byte order mark, if the text has one
	text       []byte
	root       *yaml.Node
	have, want any
}

// Parse reads the text of one document. Errors never quote it.
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

// Patch applies all operations, or none and says why, to what stands at the segments of
// a path in the document, as in items and 0. Only Text writes.
func (d *Document) Patch(path []string, patch []decision.PatchOperation) error {
	object, err := get(d.want, path)
	if err != nil {
		return err
	}
	patched, err := apply(object, patch)
	if err != nil {
		return err
	}
	d.want, err = put(d.want, path, patched)
	return err
}

// Text is the document with the patches applied; the text that was parsed, byte for
// byte, where they change nothing. It is ErrUnwritable where there is no way to write
// the patched object that means exactly it.
func (d *Document) Text() ([]byte, error) {
	if equal(d.have, d.want) {
		return slices.Concat(d.mark, d.text), nil
	}
	style := styleOf(d)
	text, err := editText(d, style)
	if err != nil || !d.means(text) {
		text, err = rewrite(d, style)
		if err != nil || !d.means(text) {
			return nil, ErrUnwritable
		}
	}
	return slices.Concat(d.mark, text), nil
}

// means tells whether the text has come to mean what was asked for, and stayed one document.
func (d *Document) means(text []byte) bool {
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

// normal is a value as a document has them: what Rego computes has other numbers.
func normal(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("the value is not JSON: %w", err)
	}
	return valueOf(text)
}
