package rego

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode/utf8"

	"taffrail.dev/webhook/decision"
)

const (
	// maxFinding limits the size of one finding in bytes, including its fix.
	maxFinding = 64 << 10
	// maxWords limits the length of each text of a finding.
	maxWords = 1 << 10
)

// shorten truncates the messages and the keys of violations.
func shorten(violations []decision.Violation) {
	for i := range violations {
		v := &violations[i]
		if len(v.Key) > maxWords {
			v.Key = fmt.Sprintf("%s%x", cut(v.Key), sha256.Sum256([]byte(v.Key)))
		}
		for _, text := range []*string{&v.Message, &v.Path, &v.Container, &v.Unknown} {
			*text = cut(*text)
		}
	}
}

func cut(text string) string {
	if len(text) <= maxWords {
		return text
	}
	end := maxWords
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.Clone(text[:end]) + "…"
}
