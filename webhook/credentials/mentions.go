package credentials

import "strings"

// mentions is an iteration over the places where a text contains a needle.
type mentions struct {
	text, needle string
	// at is where the needle begins, and end is where the search goes on.
	at, end int
	// left is how many more places are visited.
	left int
}

// mentionsOf returns the iteration over at most limit places.
func mentionsOf(text, needle string, limit int) mentions {
	return mentions{text: text, needle: needle, left: limit}
}

// next moves to the next place, and reports whether there is one.
func (m *mentions) next() bool {
	if m.left == 0 {
		return false
	}
	m.left--
	i := strings.Index(m.text[m.end:], m.needle)
	if i < 0 {
		m.left = 0
		return false
	}
	m.at = m.end + i
	m.end = m.at + len(m.needle)
	return true
}

// skip leaves out places before a position.
func (m *mentions) skip(to int) { m.end = max(m.end, to) }
