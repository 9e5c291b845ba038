package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

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
		text := out.String()
		if strings.Contains(text, mark) || strings.Count(text, "***@registry.example/app") != 7 || !strings.Contains(text, "oidc:ana@example.com") {
			t.Errorf("%s:\n%s", format, text)
		}
	}
}
