package credentials

import "strings"

// clueIndex finds out in one pass whether a text has any of many clues.
type clueIndex struct {
	// pairs has a bit for each pair of bytes, set if a clue begins with it.
	pairs [1 << 10]uint64
	// byPair has the clues by the two bytes that they begin with.
	byPair map[[2]byte][]string
}

// newClueIndex returns an index of clues, each of two bytes or more.
func newClueIndex(clues []string) *clueIndex {
	index := &clueIndex{byPair: map[[2]byte][]string{}}
	for _, clue := range clues {
		pair := [2]byte{clue[0], clue[1]}
		word, bit := bitOf(pair[0], pair[1])
		index.pairs[word] |= bit
		index.byPair[pair] = append(index.byPair[pair], clue)
	}
	return index
}

func bitOf(a, b byte) (word int, bit uint64) { return int(a)<<2 | int(b>>6), 1 << (b & 63) }

// anyIn reports whether a text has one of the clues in it.
func (index *clueIndex) anyIn(text string) bool {
	found := false
	index.each(text, func(string) bool {
		found = true
		return false
	})
	return found
}

// in returns the clues that a text has in it.
func (index *clueIndex) in(text string) map[string]bool {
	var found map[string]bool
	index.each(text, func(clue string) bool {
		if found == nil {
			found = map[string]bool{}
		}
		found[clue] = true
		return true
	})
	return found
}

// each calls next for each place of each clue, until next returns false.
func (index *clueIndex) each(text string, next func(clue string) bool) {
	for i := 1; i < len(text); i++ {
		if word, bit := bitOf(text[i-1], text[i]); index.pairs[word]&bit == 0 {
			continue
		}
		rest := text[i-1:]
		for _, clue := range index.byPair[[2]byte{rest[0], rest[1]}] {
			if strings.HasPrefix(rest, clue) && !next(clue) {
				return
			}
		}
	}
}
