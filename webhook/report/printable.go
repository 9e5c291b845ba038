package report

import (
	"strings"
	"unicode"

	"taffrail.dev/webhook/decision"
)

// Printable makes text one line without control characters and without credentials. Names
// of keys come from whoever wrote the manifest, and a terminal or a CI system obeys some.
func Printable(text string) string { return decision.Redact(PrintablePath(text)) }

// PrintablePath is Printable for the name of a file, which has to be found by it: nothing
// is taken out of app@v1/web.yaml.
func PrintablePath(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
