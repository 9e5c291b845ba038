package rego

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWordsOfUsersPoliciesAreCut(t *testing.T) {
	full := strings.Repeat("a", maxWords)
	for text, want := range map[string]string{
		"":                             "",
		full:                           full,
		full + "b":                     full + "…",
		full[1:] + "é":                 full[1:] + "…",
		full[2:] + "é":                 full[2:] + "é",
		full[2:] + "éb":                full[2:] + "é" + "…",
		full[3:] + "\U0001f600 and on": full[3:] + "…",
	} {
		if got := cut(text); got != want || !utf8.ValidString(got) {
			t.Errorf("of %d bytes, %d are left", len(text), len(got))
		}
	}
}
