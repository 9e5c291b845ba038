package render

import (
	"strings"
	"unicode"
)

// Printable makes text one line without control characters. Names of files and keys
// come from whoever wrote the manifest, and a terminal or a CI system obeys some.
func Printable(text string) string {
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
