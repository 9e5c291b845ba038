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

// Edit is a document with patches that are not written yet.
type Edit struct {
	mark       []byte // the byte order mark, if the text has one
	text       []byte
	root       *yaml.Node
	have, want any
}

// New reads the text of one document. Errors never quote it.
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

// Patch applies all operations, or none and says why, to the object at a path in the document,
// such as items[0]. Only Text writes.
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

// Text is the document with the patches applied; the text that was parsed, byte for
// byte, where they change nothing. The error is ErrUnwritable if the lines that the patches
// are about cannot be edited to mean exactly the patched object.
func (e *Edit) Text() ([]byte, error) {
	if equal(e.have, e.want) {
		return slices.Concat(e.mark, e.text), nil
	}
	style := styleOf(e)
	text, err := editText(e, style)
	if err != nil || !e.means(text) {
		return nil, ErrUnwritable
	}
	return slices.Concat(e.mark, text), nil
}

// means tells whether the text has come to mean what was asked for, and stayed one document.
func (e *Edit) means(text []byte) bool {
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
