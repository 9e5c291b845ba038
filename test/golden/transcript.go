package golden

import (
	"fmt"
	"strings"
	"testing"
)

// Transcript is what people type and what they read, as a golden file holds it. The zero
// Transcript is empty.
type Transcript struct{ text strings.Builder }

// Heading begins a part.
func (t *Transcript) Heading(text string) { fmt.Fprintf(&t.text, "\n# %s\n", text) }

// Command adds a command line of a user and what it printed. The user may be empty.
func (t *Transcript) Command(user, line, output string) {
	fmt.Fprintf(&t.text, "%s$ %s\n%s", user, line, output)
}

// Note adds what no command has printed.
func (t *Transcript) Note(format string, args ...any) {
	fmt.Fprintf(&t.text, "("+format+")\n", args...)
}

// Check compares the transcript with a file, or writes it there.
func (t *Transcript) Check(tb testing.TB, file string) {
	tb.Helper()
	Check(tb, file, t.text.String())
}
