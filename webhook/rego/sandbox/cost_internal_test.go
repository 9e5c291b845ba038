package sandbox

import (
	"regexp/syntax"
	"testing"
)

// How far a match may reach is never taken for less than it is: four bytes a character, and
// without end where the pattern repeats without end.
func TestHowLongAMatchMayBe(t *testing.T) {
	for pattern, want := range map[string]int{
		``: 0, `^$`: 0, `\b`: 0,
		`a`: 4, `abc`: 12, `[a-z]`: 4, `.`: 4, `(?s).`: 4,
		`a*`: -1, `a+`: -1, `a?`: 4, `(a)`: 4, `(abc)?`: 12,
		`ab[c-e]`: 12, `[ab]c.`: 12, `abc|d`: 12, `a|bcd|[e-g].`: 12,
		`a{3}`: 12, `(ab){2}`: 16, `a{2,5}`: 20, `a{2,}`: -1, `(a*){2}`: -1,
		`ab*`: -1, `ab*c|d`: -1, `(a|b+)?`: -1, `[ab]{2}c`: 12, `^[ab]c$`: 8,
	} {
		parsed, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := longestMatch(parsed); got != want {
			t.Errorf("%q: got %d, want %d", pattern, got, want)
		}
	}
}
