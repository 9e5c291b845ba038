package decision

import (
	"strings"
	"unicode"
)

// Printable returns text as a single line without control characters and credentials. The author
// of a manifest controls the names of its keys, and terminals and CI systems interpret control
// characters.
func Printable(text string) string { return Redact(PrintablePath(text)) }

// PrintablePath is Printable for the name of a file. It does not redact credentials, because the
// name has to identify the file: app@v1/web.yaml stays as it is.
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
