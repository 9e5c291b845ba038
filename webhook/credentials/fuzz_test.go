package credentials_test

import (
	"testing"

	"taffrail.dev/webhook/credentials"
)

// Scanning ends for every text, and every reported line exists.
func FuzzText(f *testing.F) {
	for _, example := range examples() {
		f.Add("x.conf", example[1])
	}
	f.Add(".netrc", "echo `mysql -px $(mysql -px ${\n\\")
	f.Fuzz(func(t *testing.T, name, text string) {
		for _, m := range credentials.Text(name, text) {
			if m.Line < 1 || m.What == "" {
				t.Errorf("%+v", m)
			}
		}
		credentials.Value(name, text)
		credentials.Annotation(name, text)
		credentials.Words([]string{name, text, "sh", "-c", text}, nil)
		credentials.Public(text)
		credentials.Reference(text)
	})
}
