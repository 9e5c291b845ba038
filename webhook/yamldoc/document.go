package yamldoc

import (
	"bytes"
	"errors"
	"io"

	yamlv3 "go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Error describes a problem with a document and its position.
type Error struct {
	// Line is the line in the file. It is never 0.
	Line int
	// Field is empty if the error is not about a field, as for a syntax error.
	Field  string
	Reason string
	// Lenient is true if a less strict parser may accept the text, as kubectl may.
	Lenient bool
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// Document is a parsed document.
type Document struct {
	// Text is the original text, including markers, comments and line endings.
	Text []byte
	// Start is the offset of Text in the file, in bytes.
	Start int
	// Line is the line of the file on which the content starts.
	Line int
	// Value consists of map[string]any, []any, string, bool, int64, float64 and nil. It is nil for
	// a document without content. No part of it is shared between two places, even if the text has
	// aliases.
	Value any

	// Duplicates lists the duplicate keys that ParseManifest found. The last value counts, as it
	// does for kubectl.
	Duplicates []Error

	root   *yamlv3.Node
	before int // the number of lines of the file above the parsed text
}

// Root returns the root node of the document, including comments, or nil if it has no content,
// and the number of lines of the file above Text: the Line of a node is relative to that.
func (d *Document) Root() (root *yamlv3.Node, before int) { return d.root, d.before }

// Parse parses a chunk returned by Split. The error is always an *Error. A duplicate key is an
// error.
func Parse(chunk Chunk) (*Document, error) { return parse(chunk, false) }

// ParseManifest is Parse for objects that kubectl would apply. It accepts duplicate keys, unless
// they show that the separator between two objects is missing.
func ParseManifest(chunk Chunk) (*Document, error) { return parse(chunk, true) }

func parse(chunk Chunk, allowDuplicates bool) (*Document, error) {
	if hasUTF16Mark(chunk.Data) {
		return nil, &Error{Line: chunk.Line, Lenient: true, Reason: "the text is UTF-16: save it as UTF-8"}
	}
	// Some editors save an empty file as a byte order mark, which the parser would reject.
	text := bytes.TrimPrefix(chunk.Data, []byte("\ufeff"))
	d := &Document{Text: chunk.Data, Start: chunk.Start, Line: chunk.Line, before: chunk.Line - 1}
	decoder := yamlv3.NewDecoder(bytes.NewReader(text))
	var node yamlv3.Node
	switch err := decoder.Decode(&node); {
	case errors.Is(err, io.EOF):
		return d, nil
	case err != nil:
		return nil, syntaxError(err, chunk)
	}
	// Do not lose a second document that starts after a line break unknown to Split.
	var second yamlv3.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			broken := syntaxError(err, chunk)
			broken.Lenient = true // Lenient parsers stop after the first document.
			return nil, broken
		}
		return nil, &Error{Line: d.before + second.Line, Lenient: true, Reason: `another document begins here: put "---" on a line of its own above it`}
	}
	// If the document has no content, the parser reports its end as its position.
	if len(node.Content) != 1 || isNull(node.Content[0]) {
		return d, nil
	}
	d.root = node.Content[0]
	d.Line = d.before + d.root.Line
	duplicates, err := guard(d.root, allowDuplicates)
	if err != nil {
		err.Line += d.before
		err.Reason = withHint(err.Reason, chunk)
		return nil, err
	}
	for _, key := range duplicates {
		key.Line += d.before
		d.Duplicates = append(d.Duplicates, key)
	}
	return d, d.evaluate(text, chunk)
}

func (d *Document) evaluate(text []byte, chunk Chunk) error {
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		// The text is valid YAML, so the error is either a value without a JSON equivalent or the
		// parser's own alias guard. The text of other errors quotes values.
		reason := "contains a value that JSON cannot represent"
		if err.Error() == "yaml: document contains excessive aliasing" {
			reason = "consists mostly of aliases"
		}
		return &Error{Line: d.Line, Reason: withHint(reason, chunk)}
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(asJSON, &d.Value); err != nil {
		return &Error{Line: d.Line, Reason: "cannot be read as JSON"}
	}
	return nil
}

func isNull(node *yamlv3.Node) bool {
	return node.Kind == yamlv3.ScalarNode && node.ShortTag() == "!!null"
}

func hasUTF16Mark(data []byte) bool {
	return bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff})
}
