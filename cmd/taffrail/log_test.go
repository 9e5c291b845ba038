package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// named prints itself, and resolved names what is logged in its place.
type (
	named    struct{ name string }
	resolved struct{ to any }
)

func (n *named) String() string         { return n.name }
func (r resolved) LogValue() slog.Value { return slog.AnyValue(r.to) }

// Credentials are redacted from the log, whatever the type of a value, but names of users, which only look like
// credentials, are kept.
func TestTheLogHoldsNoCredentials(t *testing.T) {
	const image = "user:" + mark + "@registry.example/app"
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, err := newLogger(&out, "debug", format)
		if err != nil {
			t.Fatal(err)
		}
		log.WithValues("a", image).Info("about "+image, "b", []string{image}, "c", errors.New(image), "user", "oidc:ana@example.com")
		log.Error(errors.New(image), "failed", "d", image)
		log.WithName("x").V(1).Info("debug", "e", image)
		log.Info("of types that the log does not know", "f", struct{ Image string }{image}, "g", map[string]any{"image": []any{image}},
			"h", []byte(image), "i", &named{image}, "j", resolved{struct{ Image string }{image}}, "k", nil)
		text := out.String()
		if strings.Contains(text, mark) || strings.Count(text, "***@registry.example/app") != 12 || !strings.Contains(text, "oidc:ana@example.com") {
			t.Errorf("%s:\n%s", format, text)
		}
	}
}
