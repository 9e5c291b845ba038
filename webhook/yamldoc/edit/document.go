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

// ErrUnwritable is returned if a document cannot be changed without touching other lines.
var ErrUnwritable = errors.New("the YAML is written in a way that cannot be changed without touching other lines: make the change by hand")

const byteOrderMark = "\ufeff"

// Edit is one document to which patches are applied.
type Edit struct {
	mark       []byte // the byte order mark, if there is one
	text       []byte
	root       *yaml.Node
	have, want any
}

// New parses the text of one document. Its errors do not quote the text.
func New(text []byte) (*Edit, error) {
	document, err := parse(text)
	if err != nil {
		return nil, err
	}
	e := &Edit{have: document.Value, want: runtime.DeepCopyJSONValue(document.Value)}
	if e.root, _ = document.Root(); e.root == nil {
		return nil, ErrUnwritable
	}
	e.text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	e.mark = text[:len(text)-len(e.text)]
	return e, nil
}

// Patch applies all operations to the object at a path in the document, for example items[0].
// If one of them fails, none is applied. The text changes only in Text.
func (e *Edit) Patch(path decision.FieldPath, patch []decision.PatchOperation) error {
	value := path.Of(e.want)
	patched, err := apply(value, patch)
	if err != nil {
		return err
	}
	if path == "" {
		e.want = patched
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

// Text returns the document with the patches applied. If they change nothing, it returns the
// original text, byte for byte. It returns ErrUnwritable if the lines cannot be edited so that
// the text has exactly the patched value.
func (e *Edit) Text() ([]byte, error) {
	if equal(e.have, e.want) {
		return slices.Concat(e.mark, e.text), nil
	}
	style := styleOf(e)
	text, err := editText(e, style)
	if err != nil || !e.isEquivalent(text) {
		return nil, ErrUnwritable
	}
	return slices.Concat(e.mark, text), nil
}

// isEquivalent reports whether the text has the patched value and is still a single document.
func (e *Edit) isEquivalent(text []byte) bool {
	if len(yamldoc.Split(text)) != len(yamldoc.Split(e.text)) {
		return false
	}
	value, err := valueOf(text)
	return err == nil && equal(value, e.want)
}

func parse(text []byte) (*yamldoc.Document, error) {
	return yamldoc.Parse(yamldoc.Chunk{Line: 1, Data: text})
}

func valueOf(text []byte) (any, error) {
	document, err := parse(text)
	if err != nil {
		return nil, err
	}
	return document.Value, nil
}
