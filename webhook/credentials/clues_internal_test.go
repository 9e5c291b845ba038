package credentials

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestEveryClueIsFoundWhereverItStands(t *testing.T) {
	for _, clue := range clues {
		for _, text := range []string{clue, "x" + clue, clue + "x", strings.Repeat("ab ", 50) + clue, clue[:1] + clue, clue + clue} {
			if !clueIn.anyIn(text) {
				t.Errorf("%q has %q", text, clue)
			}
		}
	}
}

func TestNoClueIsFoundThatIsNotThere(t *testing.T) {
	contains := func(text string) bool {
		for _, clue := range clues {
			if strings.Contains(text, clue) {
				return true
			}
		}
		return false
	}
	random := rand.New(rand.NewPCG(5, 6))
	found := 0
	for range 100_000 {
		var text strings.Builder
		for range random.IntN(6) {
			clue := clues[random.IntN(len(clues))]
			text.WriteString(clue[:random.IntN(len(clue)+1)])
			text.WriteString([]string{"", "x", " ", "\xff", "é"}[random.IntN(5)])
		}
		want := contains(text.String())
		if got := clueIn.anyIn(text.String()); got != want {
			t.Fatalf("%q: got %v", text.String(), got)
		}
		if want {
			found++
		}
	}
	if found == 0 || found == 100_000 {
		t.Errorf("%d of the texts have a clue", found)
	}
}

func TestWhatAnnouncesAValue(t *testing.T) {
	flag := regexp.MustCompile(`^--?[A-Za-z][A-Za-z0-9_.-]*$`)
	parts := []string{"-", "a", "Z", "0", "_", ".", "@", "[", "`", "{", "é", "K", "\n", "\xff", " "}
	var all func(text string, left int)
	all = func(text string, left int) {
		if name, ok := flagName(text); ok != flag.MatchString(text) || name != strings.TrimLeft(text, "-") {
			t.Errorf("%q: got %q, %v", text, name, ok)
		}
		for _, part := range parts {
			if left > 0 {
				all(text+part, left-1)
			}
		}
	}
	all("", 4)
}

func TestNeedlesAreFoundInOnePass(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for range 20_000 {
		var text strings.Builder
		for range random.IntN(5) {
			needle := allNeedles()[random.IntN(len(allNeedles()))]
			text.WriteString(needle[:random.IntN(len(needle)+1)] + []string{"", "x", "\n"}[random.IntN(3)])
		}
		present := needleIn.in(text.String())
		for _, needle := range allNeedles() {
			if present[needle] != strings.Contains(text.String(), needle) {
				t.Fatalf("%q, %q: got %v", text.String(), needle, present[needle])
			}
		}
	}
}
