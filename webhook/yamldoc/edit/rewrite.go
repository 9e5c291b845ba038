package edit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// rewrite applies a plan to the nodes and encodes the whole document. It is the fallback for a
// document that cannot be edited as text. It loses blank lines and spacing; if it would lose a
// comment, it returns ErrUnwritable.
func rewrite(d *Document, s *style) ([]byte, error) {
	if s.json {
		return nil, ErrUnwritable
	}
	head, body, tail, ok := cut(d.text)
	if !ok {
		return nil, ErrUnwritable
	}
	root := &yaml.Node{}
	if err := yaml.Unmarshal(body, root); err != nil || len(root.Content) != 1 {
		return nil, ErrUnwritable
	}
	p, err := newPlan(root.Content[0], d.have, d.want)
	if err != nil {
		return nil, err
	}
	kept := comments{}
	kept.add(root, 1)
	for _, c := range p.changes {
		switch c := c.(type) {
		case replacement:
			c.apply(s, root, kept)
		case rearrangement:
			c.apply(s, kept)
		}
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(max(s.step, 2))
	if s.sequence < 2 {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(root); err != nil {
		return nil, ErrUnwritable
	}
	written := &yaml.Node{}
	if err := yaml.Unmarshal(b.Bytes(), written); err != nil {
		return nil, ErrUnwritable
	}
	kept.add(written, -1)
	for _, missing := range kept {
		if missing > 0 {
			return nil, ErrUnwritable
		}
	}
	text := strings.ReplaceAll(b.String(), "\n", s.lineBreak)
	if !bytes.HasSuffix(body, []byte("\n")) {
		text = strings.TrimSuffix(text, s.lineBreak)
	}
	return []byte(string(head) + text + string(tail)), nil
}

// cut separates the lines that the encoder does not write: markers and everything above the
// first. It is not ok if there is content on the line of the marker.
func cut(text []byte) (head, body, tail []byte, ok bool) {
	body = text
	at := 0
	for line := range bytes.Lines(text) {
		at += len(line)
		words := bytes.TrimSpace(line)
		if len(words) == 0 || words[0] == '#' || words[0] == '%' {
			continue
		}
		if rest, isMarker := bytes.CutPrefix(line, []byte("---")); isMarker {
			if rest = bytes.TrimSpace(rest); len(rest) > 0 && rest[0] != '#' {
				return nil, nil, nil, false
			}
			head, body = text[:at], text[at:]
		}
		break
	}
	at = 0
	for line := range bytes.Lines(body) {
		if bytes.HasPrefix(line, []byte("...")) && len(bytes.TrimSpace(line)) == 3 {
			return head, body[:at], body[at:], true
		}
		at += len(line)
	}
	return head, body, nil, true
}

func (r replacement) apply(s *style, root *yaml.Node, kept comments) {
	old := r.slot.node
	node := s.node(r.value, old)
	if r.keepAnchor {
		node.Anchor = old.Anchor
	}
	kept.add(old, -1)
	node.HeadComment, node.LineComment, node.FootComment = old.HeadComment, old.LineComment, old.FootComment
	kept.add(&yaml.Node{HeadComment: old.HeadComment, LineComment: old.LineComment, FootComment: old.FootComment}, 1)
	if r.slot.parent == nil {
		root.Content[0] = node
		return
	}
	r.slot.parent.Content[r.slot.index] = node
}

func (r rearrangement) apply(s *style, kept comments) {
	width := 1
	if r.node.Kind == yaml.MappingNode {
		width = 2
	}
	var content []*yaml.Node
	insert := func(before int) {
		for _, value := range r.inserted[before] {
			content = append(content, s.node(value, nil))
		}
	}
	count := len(r.node.Content) / width
	for i := range count {
		insert(i)
		child := r.node.Content[i*width : (i+1)*width]
		if !r.removed[i] {
			content = append(content, child...)
			continue
		}
		for _, node := range child {
			kept.add(node, -1)
		}
	}
	insert(count)
	for _, name := range r.names {
		content = append(content, s.node(name, nil), s.node(r.values[name], nil))
	}
	r.node.Content = content
}

// node returns a new node with a value.
func (s *style) node(value any, like *yaml.Node) *yaml.Node {
	node := &yaml.Node{}
	text := s.flow(value, like, "")
	var parsed yaml.Node
	if err := yaml.Unmarshal([]byte(text), &parsed); err == nil && len(parsed.Content) == 1 {
		node = parsed.Content[0]
	}
	if !isInline(value) {
		toBlockStyle(node)
	}
	return node
}

// toBlockStyle removes the flow style of collections that are not empty.
func toBlockStyle(node *yaml.Node) {
	if len(node.Content) > 0 {
		node.Style &^= yaml.FlowStyle
	}
	for _, child := range node.Content {
		toBlockStyle(child)
	}
}

// comments counts the lines of comments.
type comments map[string]int

func (c comments) add(node *yaml.Node, n int) {
	for _, comment := range []string{node.HeadComment, node.LineComment, node.FootComment} {
		for line := range strings.Lines(comment) {
			if line = strings.TrimSpace(line); line != "" {
				c[line] += n
			}
		}
	}
	for _, child := range node.Content {
		c.add(child, n)
	}
}
