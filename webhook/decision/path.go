package decision

import (
	"iter"
	"strconv"
	"strings"
)

// FieldPath leads to a field of an object, as findings and errors name it:
// spec.template.spec.containers[0].image, data[tls.crt],
// metadata.labels[app.kubernetes.io/name]. Whatever is in brackets is one segment, dots
// included. The empty path is the object itself.
type FieldPath string

// Steps yields each segment as it is written, its dot or brackets included, and the name or
// decimal index that it stands for. The written parts add up to the path.
func (p FieldPath) Steps() iter.Seq2[string, string] {
	return func(yield func(written, name string) bool) {
		for rest := string(p); rest != ""; {
			if inside, found := strings.CutPrefix(rest, "["); found {
				if name, after, closed := strings.Cut(inside, "]"); closed {
					if !yield(rest[:len(name)+2], name) {
						return
					}
					rest = after
					continue
				}
			}
			dot := len(rest) - len(strings.TrimPrefix(rest, "."))
			end := len(rest)
			// An opening bracket that begins the name was not closed, and is part of it.
			if from := min(dot+1, len(rest)); strings.ContainsAny(rest[from:], ".[") {
				end = from + strings.IndexAny(rest[from:], ".[")
			}
			if end > dot && !yield(rest[:end], rest[dot:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}

// Segments returns the names and indices of the path.
func (p FieldPath) Segments() []string {
	var segments []string
	for _, name := range p.Steps() {
		segments = append(segments, name)
	}
	return segments
}

// First returns the first segment; empty for the empty path.
func (p FieldPath) First() string {
	for _, name := range p.Steps() {
		return name
	}
	return ""
}

// Within reports whether the path is that of a field, or of something in it: as
// spec.template.spec.containers[0] is within spec.template. No name is within the empty path.
func (p FieldPath) Within(field FieldPath) bool {
	rest, ok := strings.CutPrefix(string(p), string(field))
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Child returns the path of a member, in brackets if its name could be read as several.
func (p FieldPath) Child(name string) FieldPath {
	switch {
	case name == "" || strings.ContainsAny(name, ".[]/"):
		return p.Key(name)
	case p == "":
		return FieldPath(name)
	}
	return p + "." + FieldPath(name)
}

// Key returns the path of an entry of a map whose keys users choose.
func (p FieldPath) Key(name string) FieldPath { return p + "[" + FieldPath(name) + "]" }

// Index returns the path of an element of a list.
func (p FieldPath) Index(i int) FieldPath { return p.Key(strconv.Itoa(i)) }

// Pointer returns the path as a JSON Pointer.
func (p FieldPath) Pointer() Pointer { return Pointer("").Join(p.Segments()...) }

// Of returns the value of the field in an object, or nil if the object does not have it.
func (p FieldPath) Of(object any) any {
	for _, name := range p.Steps() {
		object = Member(object, name)
	}
	return object
}

// Member returns the member of a map or the element of a list that a segment names, and nil
// for any other value and if there is none.
func Member(value any, segment string) any {
	switch value := value.(type) {
	case map[string]any:
		return value[segment]
	case []any:
		if i, err := strconv.Atoi(segment); err == nil && i >= 0 && i < len(value) {
			return value[i]
		}
	}
	return nil
}
