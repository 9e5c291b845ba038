package edit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/yamldoc"
)

// style describes the formatting of a document.
type style struct {
	// step is the indentation of a mapping below its key, sequence that of a dash.
	step, sequence int
	lineBreak      string
	json           bool
	// gap is the text between a colon and its value in JSON, and tab one level of indentation.
	gap, tab string
}

func styleOf(d *Edit) *style {
	s := &style{step: 2, sequence: -1, lineBreak: "\n", json: json.Valid(d.text)}
	if at := bytes.IndexByte(d.text, '\n'); at > 0 && d.text[at-1] == '\r' {
		s.lineBreak = "\r\n"
	}
	if s.json {
		if bytes.Contains(d.text, []byte(`": `)) {
			s.gap = " "
		}
		s.tab = tabOf(d.text)
	}
	found := 0
	s.observe(d.root, &found)
	if found > 0 {
		s.step = found
	}
	// Without a sequence in the document, use kubectl's style.
	s.sequence = max(s.sequence, 0)
	return s
}

// tabOf returns the white space before the first member of a JSON object.
func tabOf(text []byte) string {
	_, rest, found := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	if !found {
		return ""
	}
	rest = bytes.TrimLeft(rest, "\r\n")
	return string(rest[:len(rest)-len(bytes.TrimLeft(rest, " \t"))])
}

// observe uses the first collection of each kind as the example.
func (s *style) observe(node *yaml.Node, step *int) {
	if node.Kind == yaml.MappingNode && !isFlow(node) {
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			if isFlow(value) || len(value.Content) == 0 || value.Content[0].Line <= key.Line {
				continue
			}
			switch value.Kind {
			case yaml.MappingNode:
				if *step == 0 {
					*step = max(value.Content[0].Column-key.Column, 0)
				}
			case yaml.SequenceNode:
				if s.sequence < 0 && value.Line > key.Line {
					s.sequence = max(value.Column-key.Column, 0)
				}
			}
		}
	}
	for _, child := range node.Content {
		s.observe(child, step)
	}
}

func isCollection(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// isInline reports whether a value in block style fits on the line of its key.
func isInline(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	case string:
		return !isLiteral(value)
	}
	return true
}

// isLiteral reports whether text is written as a literal block scalar, as a person would.
func isLiteral(text string) bool {
	return strings.Contains(strings.TrimSuffix(text, "\n"), "\n") && !strings.HasSuffix(text, "\n\n") &&
		!strings.HasPrefix(text, " ") && !strings.HasPrefix(text, "\n") && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '\n' && !strconv.IsPrint(r)
	})
}

// block writes a value that is not inline as lines without indentation. like is the previous node
// of the value, if any; it determines the order of members and the quotes.
func (s *style) block(value any, like *yaml.Node) []string {
	var lines []string
	switch value := value.(type) {
	case map[string]any:
		for _, name := range order(value, like) {
			lines = append(lines, s.member(name, value[name], likeMember(like, name))...)
		}
	case []any:
		for i, element := range value {
			lines = append(lines, s.element(element, likeElement(like, i))...)
		}
	}
	return lines
}

// member writes a member of a block mapping.
func (s *style) member(name string, value any, like *yaml.Node) []string {
	key := s.scalar(name, nil, false) + ":"
	if isInline(value) {
		return []string{key + " " + s.inline(value, like)}
	}
	switch value := value.(type) {
	case string:
		return append([]string{key + " " + blockIndicator(value)}, indented(literal(value), s.step)...)
	case []any:
		return append([]string{key}, indented(s.block(value, like), s.sequence)...)
	}
	return append([]string{key}, indented(s.block(value, like), s.step)...)
}

// element writes an element of a block sequence.
func (s *style) element(value any, like *yaml.Node) []string {
	var lines []string
	text, isText := value.(string)
	switch {
	case isInline(value):
		return []string{"- " + s.inline(value, like)}
	case isText:
		lines = append([]string{blockIndicator(text)}, literal(text)...)
	default:
		lines = s.block(value, like)
	}
	lines = indented(lines, 2)
	lines[0] = "- " + lines[0][2:]
	return lines
}

func blockIndicator(text string) string {
	if strings.HasSuffix(text, "\n") {
		return "|"
	}
	return "|-"
}

func literal(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func indented(lines []string, by int) []string {
	for i, line := range lines {
		if line != "" {
			lines[i] = strings.Repeat(" ", by) + line
		}
	}
	return lines
}

// inline writes a scalar or an empty collection.
func (s *style) inline(value any, like *yaml.Node) string {
	if isCollection(value) {
		return s.flow(value, like, "")
	}
	return s.scalar(value, like, false)
}

// flow writes a value in flow style on one line, or JSON in the style of the document. indent is
// that of the line on which the value starts.
func (s *style) flow(value any, like *yaml.Node, indent string) string {
	opening, closing := "[", "]"
	var parts []string
	switch value := value.(type) {
	case map[string]any:
		opening, closing = "{", "}"
		for _, name := range order(value, like) {
			parts = append(parts, s.flowMember(name, value[name], likeMember(like, name), indent+s.tab))
		}
	case []any:
		for i, element := range value {
			parts = append(parts, s.flow(element, likeElement(like, i), indent+s.tab))
		}
	default:
		return s.scalar(value, like, true)
	}
	switch {
	case !s.json:
		return opening + strings.Join(parts, ", ") + closing
	case s.tab == "" || len(parts) == 0:
		return opening + strings.Join(parts, ","+s.gap) + closing
	}
	at := s.lineBreak + indent
	return opening + at + s.tab + strings.Join(parts, ","+at+s.tab) + at + closing
}

func (s *style) flowMember(name string, value any, like *yaml.Node, indent string) string {
	gap := " "
	if s.json {
		gap = s.gap
	}
	return s.scalar(name, nil, true) + ":" + gap + s.flow(value, like, indent)
}

// scalar writes a scalar on one line.
func (s *style) scalar(value any, like *yaml.Node, inFlow bool) string {
	quoted := asJSON(value)
	text, isText := value.(string)
	if s.json || !isText {
		return quoted
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if like != nil && like.Kind == yaml.ScalarNode {
		node.Style = like.Style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle)
	}
	// The encoder quotes flow indicators only inside a flow collection.
	around := &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{node}}
	prefix, suffix := "- ", "\n"
	if inFlow {
		around.Style, prefix, suffix = yaml.FlowStyle, "[", "]\n"
	}
	written, err := yaml.Marshal(around)
	plain := strings.TrimSuffix(strings.TrimPrefix(string(written), prefix), suffix)
	if err != nil || strings.ContainsAny(plain, "\r\n") {
		return quoted
	}
	// kubectl reads more words as numbers, booleans and dates than the encoder knows.
	if read, err := valueOf(written); err != nil || !equal(read, []any{value}) {
		return quoted
	}
	return plain
}

// asJSON writes a scalar as JSON, which is also valid YAML.
func asJSON(value any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// order returns the names of members in their previous order. New ones follow, with "name" first,
// as people write them.
func order(value map[string]any, like *yaml.Node) []string {
	var names []string
	if like = target(like); like != nil && like.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(like.Content); i += 2 {
			name := like.Content[i].Value
			if _, found := value[name]; found && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, name := range append([]string{"name"}, slices.Sorted(maps.Keys(value))...) {
		if _, found := value[name]; found && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func target(node *yaml.Node) *yaml.Node {
	if node == nil {
		return nil
	}
	return yamldoc.Target(node)
}

func likeMember(like *yaml.Node, name string) *yaml.Node {
	if like == nil {
		return nil
	}
	if place, depth := yamldoc.Lookup(like, []string{name}); depth == 1 {
		return target(place.Value)
	}
	return nil
}

func likeElement(like *yaml.Node, i int) *yaml.Node {
	return likeMember(like, strconv.Itoa(i))
}
