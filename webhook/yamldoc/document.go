package yamldoc

import (
	"bytes"
	"errors"
	"io"

	yamlv3 "go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Error says what is wrong with a document, and where.
type Error struct {
	// Line of the file, never 0.
	Line int
	// Field is empty where the error is not about one, as for a syntax error.
	Field  string
	Reason string
	// Lenient is true if readers that check less take the text, as kubectl may.
	Lenient bool
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// Document is one document, parsed.
type Document struct {
	// Text is as it is in the file, with markers, comments and line ends.
	Text []byte
	// Start is where Text begins in the file, in bytes.
	Start int
	// Line of the file where its content begins.
	Line int
	// Value is made of map[string]any, []any, string, bool, int64, float64 and nil;
	// nil for a document without content. Nothing in it is shared between two places,
	// whatever aliases the text has.
	Value any

	// Doubled are the keys that are in one map twice, in a document that ParseManifest read.
	// The last one counts, as it does for kubectl.
	Doubled []Error

	root   *yamlv3.Node
	before int // lines of the file above the text that was parsed
}

// Root returns the document as it is written, comments and all, or nil if it has no content,
// and how many lines of the file are above Text: the Line of a node counts from there.
func (d *Document) Root() (root *yamlv3.Node, before int) { return d.root, d.before }

// Parse reads a chunk that Split made. The error is always an *Error. A key that is in one
// map twice is one.
func Parse(chunk Chunk) (*Document, error) { return parse(chunk, false) }

// ParseManifest is Parse for objects that kubectl would apply: it takes a key twice, unless
// two objects have run together.
func ParseManifest(chunk Chunk) (*Document, error) { return parse(chunk, true) }

func parse(chunk Chunk, takesDoubled bool) (*Document, error) {
	if hasUTF16Mark(chunk.Data) {
		return nil, &Error{Line: chunk.Line, Lenient: true, Reason: "the text is UTF-16: save it as UTF-8"}
	}
	// A lone mark is how some editors save an empty file; the parser would refuse it.
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
	// A second document after a line break that Split does not know must not get lost.
	var second yamlv3.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			broken := syntaxError(err, chunk)
			broken.Lenient = true // They stop after the first document.
			return nil, broken
		}
		return nil, &Error{Line: d.before + second.Line, Lenient: true, Reason: `another document begins here: put "---" on a line of its own above it`}
	}
	// Of a document that holds nothing, the parser says that it begins where the text ends.
	if len(node.Content) != 1 || isNull(node.Content[0]) {
		return d, nil
	}
	d.root = node.Content[0]
	d.Line = d.before + d.root.Line
	doubled, err := guard(d.root, takesDoubled)
	if err != nil {
		err.Line += d.before
		err.Reason = withHint(err.Reason, chunk)
		return nil, err
	}
	for _, key := range doubled {
		key.Line += d.before
		d.Doubled = append(d.Doubled, key)
	}
	return d, d.evaluate(text, chunk)
}

func (d *Document) evaluate(text []byte, chunk Chunk) error {
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		// The text has parsed once, so what is left are values without a JSON
		// counterpart, and the parser's own guard. The other errors quote the values.
		reason := "holds a value that JSON has no word for"
		if err.Error() == "yaml: document contains excessive aliasing" {
			reason = "consists of aliases for the most part"
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
