package rego

import "strconv"

// place locates one text.
type place struct {
	path      placePath
	container string
	// textKind is env, word, header or text.
	textKind string
	// name is the name of an env entry, header or key, or the flag that precedes a word.
	name string
	// field is how messages refer to the place: the name in quotes, if it is empty.
	field string
}

func (at *place) input() map[string]any {
	field := at.field
	if field == "" {
		field = strconv.Quote(at.name)
	}
	return map[string]any{"container": at.container, "sort": at.textKind, "name": at.name, "field": field}
}

// placePath is the path of a text: a field of the base, one of its elements or members, and what is
// below that. Nothing is found in nearly all texts, and their paths are not needed.
type placePath struct {
	base, field string
	// index is that of an element, or negative.
	index int
	// member is in the brackets of a path if it is a member, which has no index.
	member string
	below  string
}

func (p *placePath) String() string {
	switch {
	case p.index >= 0:
		return p.base + p.field + "[" + strconv.Itoa(p.index) + "]" + p.below
	case p.field == "":
		return p.base + "[" + p.member + "]"
	}
	return p.base + p.field + p.below
}
