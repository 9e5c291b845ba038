package edit

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// editor applies a plan to the text.
type editor struct {
	*source
	style *style
	edits []edit
}

// edit replaces a range of the text.
type edit struct {
	start, end int
	text       string
}

func editText(d *Edit, s *style) ([]byte, error) {
	p, err := newPlan(d.root, d.have, d.want)
	if err != nil {
		return nil, err
	}
	e := &editor{source: newSource(d.text, d.root), style: s}
	for _, c := range p.changes {
		switch c := c.(type) {
		case replacement:
			err = e.replace(c)
		case rearrangement:
			err = e.rearrange(c)
		}
		if err != nil {
			return nil, err
		}
	}
	return e.apply()
}

func (e *editor) replaceRange(start, end int, text string) {
	e.edits = append(e.edits, edit{start, end, text})
}

// apply keeps the order of insertions at the same place, where those of inner nodes come first.
// An insertion at the start of a replaced range goes before it.
func (e *editor) apply() ([]byte, error) {
	slices.SortStableFunc(e.edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.start, b.start), min(a.end-a.start, 1)-min(b.end-b.start, 1))
	})
	var b bytes.Buffer
	at := 0
	for _, one := range e.edits {
		if one.start < at && one.text == "" {
			// The removals of adjacent children may both include the line break between them.
			one.start = min(at, one.end)
		}
		if one.start < at || one.end < one.start {
			return nil, ErrUnwritable
		}
		b.Write(e.text[at:one.start])
		b.WriteString(one.text)
		at = one.end
	}
	b.Write(e.text[at:])
	return b.Bytes(), nil
}

// lines returns whole lines to insert below another one.
func (e *editor) lines(lines []string, indent int) string {
	var b strings.Builder
	for _, line := range indented(lines, indent) {
		b.WriteString(e.style.lineBreak + line)
	}
	return b.String()
}

func (e *editor) replace(r replacement) error {
	node, parent := r.slot.node, r.slot.parent
	start, properties, err := e.content(node)
	if err != nil {
		return err
	}
	end, err := e.end(node)
	if err != nil {
		return err
	}
	hasProperties := node.Anchor != "" || node.Style&yaml.TaggedStyle != 0
	if hasProperties && (!r.keepAnchor || node.Style&yaml.TaggedStyle != 0) {
		// The tag describes the old value, so it cannot stay.
		if r.keepAnchor && node.Anchor != "" {
			return ErrUnwritable
		}
		if start, err = e.start(node); err != nil {
			return err
		}
		properties = start
	}
	switch {
	case parent != nil && isFlow(parent), e.style.json:
		style := *e.style
		if parent != nil && !isMultiline(parent) {
			style.tab = ""
		}
		text := style.flow(r.value, node, e.margin(start))
		if start == end {
			text = " " + text
		}
		e.replaceRange(start, end, text)
		return nil
	case parent == nil:
		return e.replaceRoot(r.value, node, start, end)
	case parent.Kind == yaml.SequenceNode:
		return e.replaceElement(r, start, end)
	}
	return e.replaceMember(r, start, end, properties)
}

func (e *editor) replaceRoot(value any, node *yaml.Node, start, end int) error {
	if isInline(value) {
		e.replaceRange(start, end, e.style.inline(value, node))
		return nil
	}
	if !e.isFirst(start) || e.column(start) > 0 {
		return ErrUnwritable
	}
	e.replaceRange(start, end, strings.TrimPrefix(e.lines(e.style.block(value, node), 0), e.style.lineBreak))
	return nil
}

func (e *editor) replaceElement(r replacement, start, end int) error {
	dash, err := e.dash(r.slot.parent, r.slot.index)
	if err != nil {
		return err
	}
	lines := e.style.element(r.value, r.slot.node)
	first := strings.TrimPrefix(lines[0], "- ")
	rest := e.lines(lines[1:], e.column(dash))
	if start == end {
		first = " " + first
	}
	if start > e.lineEnd(dash) {
		// A value that was on the lines below the dash now starts next to it.
		e.replaceRange(dash+1, dash+1, " "+first)
		e.replaceRange(e.lineEnd(dash), end, rest)
		return nil
	}
	e.replaceRange(start, end, first)
	e.replaceRange(e.lineEnd(end), e.lineEnd(end), rest)
	return nil
}

func (e *editor) replaceMember(r replacement, start, end, properties int) error {
	key := r.slot.parent.Content[r.slot.index-1]
	colon, err := e.colon(key)
	if err != nil {
		return err
	}
	below := start > e.lineEnd(colon)
	if isInline(r.value) {
		text := e.style.inline(r.value, r.slot.node)
		switch {
		case below:
			at := max(properties, colon)
			if at > e.lineEnd(colon) {
				at = colon
			}
			e.replaceRange(at, at, " "+text)
			e.replaceRange(e.lineEnd(at), end, "")
		case start == end:
			e.replaceRange(start, end, " "+text)
		default:
			e.replaceRange(start, end, text)
		}
		return nil
	}
	lines := e.style.member("x", r.value, r.slot.node)
	tail := strings.TrimPrefix(lines[0], "x:") // the indicator of a block scalar, if it is one
	rest := e.lines(lines[1:], key.Column-1)
	switch {
	case below:
		e.replaceRange(colon, colon, tail)
		e.replaceRange(e.lineEnd(colon), end, rest)
	case e.lineEnd(start) < end:
		e.replaceRange(colon, end, tail+rest)
	default:
		e.replaceRange(colon, end, tail)
		e.replaceRange(e.lineEnd(end), e.lineEnd(end), rest)
	}
	return nil
}

// isMultiline reports whether the children of a flow collection are on separate lines.
func isMultiline(collection *yaml.Node) bool {
	return len(collection.Content) > 0 && collection.Content[0].Line > collection.Line
}

// margin returns the white space at the start of the line.
func (e *editor) margin(at int) string {
	line := e.text[e.lineStart(at):at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

func (e *editor) rearrange(r rearrangement) error {
	switch {
	case isFlow(r.node):
		return e.rearrangeFlow(r)
	case r.node.Kind == yaml.MappingNode:
		return e.rearrangeMapping(r)
	}
	return e.rearrangeSequence(r)
}

func (e *editor) rearrangeMapping(r rearrangement) error {
	count := len(r.node.Content) / 2
	start := func(i int) (int, error) { return e.start(r.node.Content[2*i]) }
	end := func(i int) (int, error) {
		if _, err := e.colon(r.node.Content[2*i]); err != nil {
			return 0, err
		}
		return e.end(r.node.Content[2*i+1])
	}
	var lines []string
	for _, name := range r.names {
		lines = append(lines, e.style.member(name, r.values[name], nil)...)
	}
	if err := e.append(lastKept(r.removed, count), lines, r.node.Content[0].Column-1, end); err != nil {
		return err
	}
	return e.removeLines(r.removed, count, start, end)
}

func (e *editor) rearrangeSequence(r rearrangement) error {
	count := len(r.node.Content)
	start := func(i int) (int, error) { return e.dash(r.node, i) }
	end := func(i int) (int, error) { return e.end(r.node.Content[i]) }
	first, err := start(0)
	if err != nil {
		return err
	}
	indent := e.column(first)
	for _, before := range slices.Sorted(maps.Keys(r.inserted)) {
		var lines []string
		for _, value := range r.inserted[before] {
			lines = append(lines, e.style.element(value, nil)...)
		}
		if above := lastKept(r.removed, before); above >= 0 {
			if err := e.append(above, lines, indent, end); err != nil {
				return err
			}
			continue
		}
		// The new element goes before the first one that stays, whose dash moves down.
		at, err := start(nextKept(r.removed, 0))
		if err != nil {
			return err
		}
		text := strings.TrimPrefix(e.lines(lines, indent), e.style.lineBreak+strings.Repeat(" ", indent))
		e.replaceRange(at, at, text+e.style.lineBreak+strings.Repeat(" ", indent))
	}
	return e.removeLines(r.removed, count, start, end)
}

// append adds lines below a child.
func (e *editor) append(child int, lines []string, indent int, end func(int) (int, error)) error {
	if len(lines) == 0 {
		return nil
	}
	at, err := end(child)
	if err != nil {
		return err
	}
	at = e.lineEnd(at)
	e.replaceRange(at, at, e.lines(lines, indent))
	return nil
}

// removeLines removes children of a block collection along with their lines.
func (e *editor) removeLines(removed map[int]bool, count int, start, end func(int) (int, error)) error {
	joined := 0
	for _, i := range slices.Sorted(maps.Keys(removed)) {
		from, err := start(i)
		if err != nil {
			return err
		}
		to, err := end(i)
		if err != nil {
			return err
		}
		if i < joined {
			continue
		}
		if e.isFirst(from) {
			e.removeLine(from, to)
			continue
		}
		// The child shares its line with the dash of the element that contains it.
		if joined = nextKept(removed, i); joined == count {
			return ErrUnwritable
		}
		next, err := start(joined)
		if err != nil {
			return err
		}
		if bytes.IndexByte(e.text[to:next], '#') < 0 {
			e.replaceRange(from, next, "")
			continue
		}
		joined = i
		e.replaceRange(from, to, "")
	}
	return nil
}

// removeLine removes a child that shares its lines with nothing else.
func (e *editor) removeLine(from, to int) {
	start, end := e.lineStart(from), e.nextLine(to)
	if end == len(e.text) && lineBreak(e.text[e.lineEnd(to):]) == 0 && start > 0 {
		// The text did not end with a line break, so it must not end with one now.
		start--
		if e.style.lineBreak == "\r\n" {
			start--
		}
	}
	e.replaceRange(start, end, "")
}

// lastKept returns the last child before an ordinal that is not removed, or -1.
func lastKept(removed map[int]bool, before int) int {
	for before--; before >= 0 && removed[before]; before-- {
	}
	return before
}

// nextKept returns the first child at or after an ordinal that is not removed.
func nextKept(removed map[int]bool, from int) int {
	for removed[from] {
		from++
	}
	return from
}
