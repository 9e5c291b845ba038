package edit

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// source locates nodes in the text of a document. The parser reports only where a node starts;
// its end is found in the text. An unexpected text results in ErrUnwritable, and a misread
// position is detected when the edited text is parsed.
type source struct {
	text  []byte
	lines []int // the offset of each line
	// indents contains the indentation of the block collection around each block scalar, -1 at the
	// root.
	indents map[*yaml.Node]int
}

func newSource(text []byte, root *yaml.Node) *source {
	s := &source{text: text, lines: []int{0}, indents: map[*yaml.Node]int{}}
	for at := 0; at < len(text); {
		if size := lineBreak(text[at:]); size > 0 {
			at += size
			s.lines = append(s.lines, at)
			continue
		}
		at++
	}
	s.measure(root, -1)
	return s
}

// lineBreak returns the size of the line break at the start of the text, as the parser defines
// it, or 0.
func lineBreak(text []byte) int {
	for _, mark := range []string{"\r\n", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		if bytes.HasPrefix(text, []byte(mark)) {
			return len(mark)
		}
	}
	return 0
}

func (s *source) measure(node *yaml.Node, indent int) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		s.indents[node] = indent
	case node.Kind == yaml.MappingNode && !isFlow(node) && len(node.Content) > 0:
		indent = node.Content[0].Column - 1
	case node.Kind == yaml.SequenceNode && !isFlow(node) && len(node.Content) > 0:
		if dash, err := s.dash(node, 0); err == nil {
			indent = s.column(dash)
		}
	}
	for _, child := range node.Content {
		s.measure(child, indent)
	}
}

func isFlow(node *yaml.Node) bool { return node.Style&yaml.FlowStyle != 0 }

// start returns the start of a node, including its anchor and tag.
func (s *source) start(node *yaml.Node) (int, error) {
	if node.Kind == yaml.MappingNode && !isFlow(node) && node.Anchor == "" && node.Style&yaml.TaggedStyle == 0 && len(node.Content) > 0 {
		node = node.Content[0]
	}
	if node.Line < 1 || node.Line > len(s.lines) {
		return 0, ErrUnwritable
	}
	at := s.lines[node.Line-1]
	for range node.Column - 1 {
		if at >= len(s.text) {
			return 0, ErrUnwritable
		}
		_, size := utf8.DecodeRune(s.text[at:])
		at += size
	}
	return at, nil
}

// content returns the start of a node after its anchor and tag, and the end of those.
func (s *source) content(node *yaml.Node) (at, properties int, err error) {
	at, err = s.start(node)
	properties = at
	if err != nil || node.Anchor == "" && node.Style&yaml.TaggedStyle == 0 {
		return at, properties, err
	}
	for at < len(s.text) && (s.text[at] == '&' || s.text[at] == '!') {
		for at < len(s.text) && !bytes.ContainsRune([]byte(" \t\r\n,[]{}"), rune(s.text[at])) {
			at++
		}
		properties = at
		at = s.skipSpace(at)
	}
	if node.Kind == yaml.ScalarNode && node.Value == "" && node.Style&^yaml.TaggedStyle == 0 {
		at = properties
	}
	return at, properties, nil
}

// skipSpace skips white space, line breaks and comments.
func (s *source) skipSpace(at int) int {
	for at < len(s.text) {
		switch c := s.text[at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			at++
		case c == '#' && (at == 0 || strings.IndexByte(" \t\r\n", s.text[at-1]) >= 0):
			at = s.lineEnd(at)
		default:
			return at
		}
	}
	return at
}

// lineEnd returns the end of the line, before the line break.
func (s *source) lineEnd(at int) int {
	for at < len(s.text) && lineBreak(s.text[at:]) == 0 {
		at++
	}
	return at
}

func (s *source) nextLine(at int) int {
	at = s.lineEnd(at)
	return at + lineBreak(s.text[at:])
}

// lineStart returns the start of the line.
func (s *source) lineStart(at int) int {
	i, found := slices.BinarySearch(s.lines, at)
	if !found {
		i--
	}
	return s.lines[i]
}

// column counts characters, as YAML does.
func (s *source) column(at int) int { return utf8.RuneCount(s.text[s.lineStart(at):at]) }

func (s *source) isFirst(at int) bool {
	return len(bytes.TrimLeft(s.text[s.lineStart(at):at], " ")) == 0
}

// end returns the end of a node, without trailing white space and comments.
func (s *source) end(node *yaml.Node) (int, error) {
	at, _, err := s.content(node)
	if err != nil {
		return 0, err
	}
	if isCollectionNode(node) && !isFlow(node) {
		if len(node.Content) == 0 {
			return 0, ErrUnwritable
		}
		return s.end(node.Content[len(node.Content)-1])
	}
	switch {
	case isCollectionNode(node):
		return s.flowEnd(node, at)
	case node.Kind == yaml.AliasNode:
		if !bytes.HasPrefix(s.text[at:], []byte("*"+node.Value)) {
			return 0, ErrUnwritable
		}
		return at + 1 + len(node.Value), nil
	case node.Style&yaml.DoubleQuotedStyle != 0:
		return s.quoteEnd(at, '"')
	case node.Style&yaml.SingleQuotedStyle != 0:
		return s.quoteEnd(at, '\'')
	case node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.blockScalarEnd(node, at), nil
	}
	return s.plainEnd(node, at)
}

func isCollectionNode(node *yaml.Node) bool {
	return node.Kind == yaml.MappingNode || node.Kind == yaml.SequenceNode
}

func (s *source) flowEnd(node *yaml.Node, at int) (int, error) {
	closing := map[yaml.Kind]string{yaml.MappingNode: "{}", yaml.SequenceNode: "[]"}[node.Kind]
	// A pair in a sequence, as in [a: b], has no braces.
	if at >= len(s.text) || s.text[at] != closing[0] {
		return 0, ErrUnwritable
	}
	at++
	if n := len(node.Content); n > 0 {
		var err error
		if at, err = s.end(node.Content[n-1]); err != nil {
			return 0, err
		}
	}
	at = s.skipSpace(at)
	if at < len(s.text) && s.text[at] == ',' {
		at = s.skipSpace(at + 1)
	}
	if at >= len(s.text) || s.text[at] != closing[1] {
		return 0, ErrUnwritable
	}
	return at + 1, nil
}

func (s *source) quoteEnd(at int, quote byte) (int, error) {
	if at >= len(s.text) || s.text[at] != quote {
		return 0, ErrUnwritable
	}
	for at++; at < len(s.text); at++ {
		switch {
		case s.text[at] == '\\' && quote == '"':
			at++
		case s.text[at] != quote:
		case quote == '\'' && at+1 < len(s.text) && s.text[at+1] == quote:
			at++
		default:
			return at + 1, nil
		}
	}
	return 0, ErrUnwritable
}

// blockScalarEnd finds the end of a block scalar by indentation. Trailing blank lines belong to
// it only if its header contains a plus.
func (s *source) blockScalarEnd(node *yaml.Node, at int) int {
	end := s.lineEnd(at)
	header, _, _ := strings.Cut(string(s.text[at:end]), " ")
	indent := 0
	if i := strings.IndexAny(header, "123456789"); i >= 0 {
		indent = max(s.indents[node], 0) + int(header[i]-'0')
	}
	last := end
	for at = s.nextLine(at); at < len(s.text); at = s.nextLine(at) {
		end = s.lineEnd(at)
		line := s.text[at:end]
		spaces := len(line) - len(bytes.TrimLeft(line, " "))
		switch blank := spaces == len(line); {
		case blank && !strings.Contains(header, "+") && (indent == 0 || spaces <= indent):
		case !blank && spaces <= s.indents[node], !blank && indent > 0 && spaces < indent:
			return last
		default:
			if !blank && indent == 0 {
				indent = spaces
			}
			last = end
		}
	}
	return last
}

// plainEnd finds the end of a plain scalar, in which line breaks represent spaces.
func (s *source) plainEnd(node *yaml.Node, at int) (int, error) {
	for _, r := range node.Value {
		if unicode.IsSpace(r) {
			continue
		}
		for at < len(s.text) {
			found, size := utf8.DecodeRune(s.text[at:])
			at += size
			if found == r {
				break
			}
			if !unicode.IsSpace(found) {
				return 0, ErrUnwritable
			}
		}
	}
	return at, nil
}

// colon returns the place after the colon of a key, where the value may start.
func (s *source) colon(key *yaml.Node) (int, error) {
	at, err := s.end(key)
	if err != nil {
		return 0, err
	}
	for at < len(s.text) && (s.text[at] == ' ' || s.text[at] == '\t') {
		at++
	}
	if at >= len(s.text) || s.text[at] != ':' {
		return 0, ErrUnwritable
	}
	return at + 1, nil
}

// dash returns the place of the dash of an element in a block sequence.
func (s *source) dash(sequence *yaml.Node, i int) (at int, err error) {
	if i > 0 {
		at, err = s.end(sequence.Content[i-1])
	} else {
		at, _, err = s.content(sequence)
	}
	if err != nil {
		return 0, err
	}
	if at = s.skipSpace(at); at >= len(s.text) || s.text[at] != '-' {
		return 0, ErrUnwritable
	}
	return at, nil
}
