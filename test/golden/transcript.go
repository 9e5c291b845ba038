package golden

import (
	"fmt"
	"strings"
	"testing"
)

// Transcript is a sequence of commands and their output, in the form of a golden file. The zero Transcript is
// empty.
type Transcript struct{ text strings.Builder }

// Heading begins a section.
func (t *Transcript) Heading(text string) { fmt.Fprintf(&t.text, "\n# %s\n", text) }

// Command adds a user's command line and its output. The user may be empty.
func (t *Transcript) Command(user, line, output string) {
	fmt.Fprintf(&t.text, "%s$ %s\n%s", user, line, output)
}

// Note adds a text that no command has printed.
func (t *Transcript) Note(format string, args ...any) {
	fmt.Fprintf(&t.text, "("+format+")\n", args...)
}

// Check compares the transcript with a file, or writes the file.
func (t *Transcript) Check(tb testing.TB, file string) {
	tb.Helper()
	Check(tb, file, t.text.String())
}
