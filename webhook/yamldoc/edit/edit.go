package edit

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// editor carries a plan out on the text.
type editor struct {
	*source
	style *style
	edits []edit
}

// edit puts text where a span was.
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

func (e *editor) put(start, end int, text string) {
	e.edits = append(e.edits, edit{start, end, text})
}

// apply keeps the order of insertions at one place, in which inner ones come first. What
// is inserted at the beginning of a span goes before it.
func (e *editor) apply() ([]byte, error) {
	slices.SortStableFunc(e.edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.start, b.start), min(a.end-a.start, 1)-min(b.end-b.start, 1))
	})
	var b bytes.Buffer
	at := 0
	for _, one := range e.edits {
		if one.start < at && one.text == "" {
			// Removals of neighbours may share the line break between them.
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

// lines are whole lines below another one.
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
		// A tag says what the old value was.
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
		if parent != nil && !isSpread(parent) {
			style.tab = ""
		}
		text := style.flow(r.value, node, e.margin(start))
		if start == end {
			text = " " + text
		}
		e.put(start, end, text)
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
		e.put(start, end, e.style.inline(value, node))
		return nil
	}
	if !e.isFirst(start) || e.column(start) > 0 {
		return ErrUnwritable
	}
	e.put(start, end, strings.TrimPrefix(e.lines(e.style.block(value, node), 0), e.style.lineBreak))
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
		// What was on lines below the dash begins beside it.
		e.put(dash+1, dash+1, " "+first)
		e.put(e.lineEnd(dash), end, rest)
		return nil
	}
	e.put(start, end, first)
	e.put(e.lineEnd(end), e.lineEnd(end), rest)
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
			e.put(at, at, " "+text)
			e.put(e.lineEnd(at), end, "")
		case start == end:
			e.put(start, end, " "+text)
		default:
			e.put(start, end, text)
		}
		return nil
	}
	lines := e.style.member("x", r.value, r.slot.node)
	tail := strings.TrimPrefix(lines[0], "x:") // the bar of a text, if it is one
	rest := e.lines(lines[1:], key.Column-1)
	switch {
	case below:
		e.put(colon, colon, tail)
		e.put(e.lineEnd(colon), end, rest)
	case e.lineEnd(start) < end:
		e.put(colon, end, tail+rest)
	default:
		e.put(colon, end, tail)
		e.put(e.lineEnd(end), e.lineEnd(end), rest)
	}
	return nil
}

// isSpread tells whether the children of a collection in flow style have lines of their own.
func isSpread(collection *yaml.Node) bool {
	return len(collection.Content) > 0 && collection.Content[0].Line > collection.Line
}

// margin is the white space that the line of a place begins with.
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
	if err := e.append(lastStaying(r.removed, count), lines, r.node.Content[0].Column-1, end); err != nil {
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
		if above := lastStaying(r.removed, before); above >= 0 {
			if err := e.append(above, lines, indent, end); err != nil {
				return err
			}
			continue
		}
		// Before the first that stays: its own dash moves down.
		at, err := start(nextStaying(r.removed, 0))
		if err != nil {
			return err
		}
		text := strings.TrimPrefix(e.lines(lines, indent), e.style.lineBreak+strings.Repeat(" ", indent))
		e.put(at, at, text+e.style.lineBreak+strings.Repeat(" ", indent))
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
	e.put(at, at, e.lines(lines, indent))
	return nil
}

// removeLines takes children out of a block collection with the lines they stand on.
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
		// It shares its line with the dash of the element that it is in.
		if joined = nextStaying(removed, i); joined == count {
			return ErrUnwritable
		}
		next, err := start(joined)
		if err != nil {
			return err
		}
		if bytes.IndexByte(e.text[to:next], '#') < 0 {
			e.put(from, next, "")
			continue
		}
		joined = i
		e.put(from, to, "")
	}
	return nil
}

// removeLine takes a child out that has its lines for itself.
func (e *editor) removeLine(from, to int) {
	start, end := e.lineStart(from), e.nextLine(to)
	if end == len(e.text) && lineBreak(e.text[e.lineEnd(to):]) == 0 && start > 0 {
		// The text ended without a line break, and shall do so still.
		start--
		if e.style.lineBreak == "\r\n" {
			start--
		}
	}
	e.put(start, end, "")
}

// lastStaying is the last child before an ordinal that is not removed, or -1.
func lastStaying(removed map[int]bool, before int) int {
	for before--; before >= 0 && removed[before]; before-- {
	}
	return before
}

// nextStaying is the first child from an ordinal on that is not removed.
func nextStaying(removed map[int]bool, from int) int {
	for removed[from] {
		from++
	}
	return from
}
