package decision_test

import (
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
)

// No text makes Redact panic or drop a line.
func FuzzRedact(f *testing.F) {
	for _, text := range []string{
		"", "@", "a:b@c/d", `"a b:c"@d`, "https://a%3Ab%40c", `\u0026sig=x`, `password="`, `"token" : "x`, "Bearer \xff", "-----BEGIN PRIVATE KEY\n-----END", "é:\u0130@x/", "=:=", `\`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, got := range []string{decision.Redact(text), decision.RedactValue(text)} {
			if strings.Count(got, "\n") != strings.Count(text, "\n") {
				t.Errorf("%q: other lines: %q", text, got)
			}
		}
		decision.Line(text, 100)
	})
}
