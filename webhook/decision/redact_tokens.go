package decision

import (
	"slices"
	"strings"
)

// shapeStarts finds the shapes whose prefixes a text contains. Nearly all texts contain none, and there are too many to look
// for each on its own.
type shapeStarts struct {
	// pairs has a bit for each pair of bytes that a prefix begins with.
	pairs [1 << 16 / 64]uint64
	// byPair has the indices of the shapes.
	byPair map[uint16][]int
}

var starts = newShapeStarts(shapes)

func newShapeStarts(shapes []shape) *shapeStarts {
	s := &shapeStarts{byPair: map[uint16][]int{}}
	for i := range shapes {
		pair := pairAt(shapes[i].prefix, 0)
		s.pairs[pair/64] |= 1 << (pair % 64)
		s.byPair[pair] = append(s.byPair[pair], i)
	}
	return s
}

func pairAt(text string, i int) uint16 { return uint16(text[i])<<8 | uint16(text[i+1]) }

// in returns the indices of the shapes.
func (s *shapeStarts) in(text string) (present []int) {
	for i := range len(text) - 1 {
		pair := pairAt(text, i)
		if s.pairs[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		for _, shape := range s.byPair[pair] {
			if strings.HasPrefix(text[i:], shapes[shape].prefix) && !slices.Contains(present, shape) {
				present = append(present, shape)
			}
		}
	}
	return present
}

// tokens returns credentials that match one of shapes.
func tokens(text string) (spans []span) {
	for _, i := range starts.in(text) {
		s := &shapes[i]
		for from := 0; ; {
			i := strings.Index(text[from:], s.prefix)
			if i < 0 {
				break
			}
			begin := from + i
			from = begin + len(s.prefix)
			if s.word && !endsWord(text[:begin]) {
				continue
			}
			if end := from + run(text[from:], s.class); end-from >= s.length {
				spans = append(spans, span{begin, end})
				from = end
			}
		}
	}
	return spans
}
