package decision

import "strings"

// Pointer is a JSON Pointer (RFC 6901), as JSON Patches name fields.
type Pointer string

// Segments returns the names and indices of the pointer, unescaped. A pointer that does not
// begin with a slash is read as if it did.
func (p Pointer) Segments() []string {
	if p == "" {
		return nil
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	segments := strings.Split(strings.TrimPrefix(string(p), "/"), "/")
	for i, segment := range segments {
		segments[i] = unescape.Replace(segment)
	}
	return segments
}

// Join returns the pointer to what the segments lead to from there.
func (p Pointer) Join(segments ...string) Pointer {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	b.WriteString(string(p))
	for _, segment := range segments {
		b.WriteByte('/')
		_, _ = escape.WriteString(&b, segment) // a strings.Builder never fails
	}
	return Pointer(b.String())
}

// Within reports whether the pointer is that of a field, or of something in it.
func (p Pointer) Within(field Pointer) bool {
	return p == field || strings.HasPrefix(string(p), string(field)+"/")
}
