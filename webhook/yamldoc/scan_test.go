package yamldoc

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// scanAll reads byte by byte, which makes finding the lines hardest.
func scanAll(t *testing.T, text string) (chunks []Chunk) {
	t.Helper()
	for chunk, err := range Scan(iotest.OneByteReader(strings.NewReader(text)), 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, chunk)
	}
	return chunks
}

func TestScanYieldsWhatSplitReturns(t *testing.T) {
	for _, text := range []string{
		"", "a: 1", "a: 1\n", "---\n", "---\n---\na: 1\n---", "a: 1\n...\nb: 2\n", "# c\n%YAML 1.1\n---\na: 1\n",
		"a: 1\r\n---\r\nb: 2\r\n", "a: 1\n\ufeff---\nb: 2\n", "{\"a\":1}\n{\"b\":2}\n---\nc: 3\n", "a: |\n  ---\n---a\n...b\n",
		"a: " + strings.Repeat("x", 200<<10) + "\n---\nb: 2",
	} {
		if diff := cmp.Diff(Split([]byte(text)), scanAll(t, text)); diff != "" {
			t.Errorf("%.40q (-Split +Scan):\n%s", text, diff)
		}
	}
}

func TestScanIsBoundedByItsLargestDocument(t *testing.T) {
	small := strings.Repeat("a: 1\n---\n", 100)
	var chunks int
	var last error
	for _, err := range Scan(strings.NewReader(small+"b: "+strings.Repeat("x", 100)+"\n---\nc: 1\n"), 50) {
		last = err
		if err == nil {
			chunks++
		}
	}
	if tooLarge := new(TooLargeError); !errors.As(last, &tooLarge) || chunks != 100 {
		t.Errorf("%d documents, then %v", chunks, last)
	}
}

func TestScanPassesOnTheReadersError(t *testing.T) {
	broken := errors.New("broken")
	var last error
	for _, err := range Scan(io.MultiReader(strings.NewReader("a: 1\n---\nb: "), iotest.ErrReader(broken)), 1<<20) {
		last = err
	}
	if !errors.Is(last, broken) {
		t.Errorf("got %v", last)
	}
}
