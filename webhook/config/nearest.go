package config

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the candidate that a mistyped word most likely means, or "" if none is
// near. Of two that are equally near, the first wins.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", max(2, len(word)/3)+1
	for _, candidate := range candidates {
		// Whoever writes the word chooses its length: what cannot be near is not measured.
		if difference := len(word) - len(candidate); max(difference, -difference) >= bestDistance {
			continue
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}
