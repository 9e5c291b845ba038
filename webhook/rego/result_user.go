package rego

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
	"unicode/utf8"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/sandbox"
)

const (
	// maxFindings limits how many findings, and how many intents, are read from a user's policy for one object.
	maxFindings = 100
	// maxFinding limits the size of one finding in bytes, including its fix.
	maxFinding = 64 << 10
	// maxWords limits the length of each text of a finding.
	maxWords = 1 << 10
)

// moreError is returned when a set has more elements than are read.
type moreError struct {
	left   int
	digest hash.Hash
}

func (e *moreError) Error() string {
	return fmt.Sprintf("there are %d more than the %d that are allowed", e.left, maxFindings)
}

// add records an element that is not read.
func (e *moreError) add(more element) {
	e.left++
	for _, name := range []string{"path", "container", "key", "msg"} {
		text := more.text(name)
		fmt.Fprintf(e.digest, "%d %s", len(text), text) //nolint:errcheck // a digest's Write never fails
	}
}

// violation stands for all findings that were not read. Its key is a digest of them: any change makes it a new
// violation, so nothing can hide behind findings that the old object already had.
func (e *moreError) violation(read []decision.Violation) decision.Violation {
	return decision.Violation{
		Message: fmt.Sprintf("there are %d more findings of this policy", e.left),
		Path:    read[len(read)-1].Path,
		Key:     fmt.Sprintf("more findings: %x", e.digest.Sum(nil)),
	}
}

// eachOfUser is eachOf for a user's policy, whose elements may be many, and of any size.
func eachOfUser(all elements, read func(object any) error) error {
	taken, more := 0, &moreError{digest: sha256.New()}
	err := all.each(func(e element) error {
		if taken == maxFindings {
			more.add(e)
			return nil
		}
		taken++
		if e.size() > maxFinding {
			return fmt.Errorf("an element of %d bytes or more %w", maxFinding, sandbox.ErrTooLarge)
		}
		return readObject(e, read)
	})
	if err == nil && more.left > 0 {
		return more
	}
	return err
}

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
