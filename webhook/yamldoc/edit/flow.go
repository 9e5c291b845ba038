package edit

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// rearrangeFlow edits a collection in braces or brackets, including JSON.
func (e *editor) rearrangeFlow(r rearrangement) error {
	width := 1 // the number of nodes per child
	if r.node.Kind == yaml.MappingNode {
		width = 2
	}
	count := len(r.node.Content) / width
	if _, err := e.end(r.node); err != nil {
		return err
	}
	start := func(i int) (int, error) { return e.start(r.node.Content[i*width]) }
	end := func(i int) (int, error) { return e.end(r.node.Content[i*width+width-1]) }
	style := *e.style
	separator, margin := ", ", ""
	if style.json {
		separator = "," + style.gap
	}
	if isMultiline(r.node) {
		at, err := start(0)
		if err != nil {
			return err
		}
		margin = e.margin(at)
		separator = "," + style.lineBreak + margin
	} else {
		style.tab = ""
	}
	if err := e.removeFlow(r.removed, count, start, end); err != nil {
		return err
	}
	inserted := map[int][]string{}
	for _, name := range r.names {
		inserted[count] = append(inserted[count], style.flowMember(name, r.values[name], nil, margin))
	}
	for before, values := range r.inserted {
		for _, value := range values {
			inserted[before] = append(inserted[before], style.flow(value, nil, margin))
		}
	}
	for _, before := range slices.Sorted(maps.Keys(inserted)) {
		text := strings.Join(inserted[before], separator)
		if above := lastKept(r.removed, before); above >= 0 {
			at, err := end(above)
			if err != nil {
				return err
			}
			e.replaceRange(at, at, separator+text)
			continue
		}
		at, err := start(nextKept(r.removed, 0))
		if err != nil {
			return err
		}
		e.replaceRange(at, at, text+separator)
	}
	return nil
}

// removeFlow removes runs of children with the comma after them, or before them at the end.
func (e *editor) removeFlow(removed map[int]bool, count int, start, end func(int) (int, error)) error {
	for i := 0; i < count; i++ {
		if !removed[i] {
			continue
		}
		next := nextKept(removed, i)
		place, first, last := start, i, next
		if next == count {
			place, first, last = end, i-1, count-1
		}
		from, err := place(first)
		if err != nil {
			return err
		}
		to, err := place(last)
		if err != nil {
			return err
		}
		e.replaceRange(from, to, "")
		i = next
	}
	return nil
}
