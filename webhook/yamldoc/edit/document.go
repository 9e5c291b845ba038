package edit

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

// ErrUnwritable is returned when a change cannot be made without touching other lines.
var ErrUnwritable = errors.New("the YAML is written in a way that cannot be changed without touching other lines: make the change by hand")

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

// Patch applies all operations, or none and says why, to the object at a path in the document,
// such as items[0]. Only Text writes.
func (d *Document) Patch(path decision.FieldPath, patch []decision.PatchOperation) error {
	value := path.Of(d.want)
	patched, err := apply(value, patch)
	if err != nil {
		return err
	}
	if path == "" {
		d.want = patched
		return nil
	}
	object, isObject := value.(map[string]any)
	now, staysObject := patched.(map[string]any)
	if !isObject || !staysObject {
		return ErrMissing
	}
	clear(object)
	maps.Copy(object, now)
	return nil
}

// Text is the document with the patches applied; the text that was parsed, byte for
// byte, where they change nothing. The error is ErrUnwritable if the lines that the patches
// are about cannot be edited to mean exactly the patched object.
func (d *Document) Text() ([]byte, error) {
	if equal(d.have, d.want) {
		return slices.Concat(d.mark, d.text), nil
	}
	style := styleOf(d)
	text, err := editText(d, style)
	if err != nil || !d.means(text) {
		return nil, ErrUnwritable
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
