package rego

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/sandbox"
)

const (
	// maxFindings is how many findings are taken from one user's policy about one object,
	// and how many intents it may have.
	maxFindings = 100
	// maxFinding is how long one may be in all, fix included, in bytes.
	maxFinding = 64 << 10
	// maxWords is how much is taken of each of its texts.
	maxWords = 1 << 10
)

// moreError says that there is more in a set than is read of it.
type moreError struct {
	left   int
	digest hash.Hash
}

func (e *moreError) Error() string {
	return fmt.Sprintf("there are %d more than the %d that are allowed", e.left, maxFindings)
}

// add takes note of one that is not read.
func (e *moreError) add(element ast.Object) {
	e.left++
	for _, name := range []string{"path", "container", "key", "msg"} {
		if member := element.Get(ast.StringTerm(name)); member != nil {
			text, _ := member.Value.(ast.String)
			fmt.Fprintf(e.digest, "%d %s", len(text), string(text)) //nolint:errcheck // a digest takes everything
		}
	}
}

// violation stands for all that were not read. Where they change it is a new violation, so
// that none can hide behind those that an object had already.
func (e *moreError) violation(read []decision.Violation) decision.Violation {
	return decision.Violation{
		Message: fmt.Sprintf("there are %d more findings of this policy", e.left),
		Path:    read[len(read)-1].Path,
		Key:     fmt.Sprintf("more findings: %x", e.digest.Sum(nil)),
	}
}

// eachOfUser is eachObject for the answer of a user's policy, which may be of any size.
func eachOfUser(value ast.Value, read func(ast.Object) error) error {
	taken, more := 0, &moreError{digest: sha256.New()}
	err := eachObject(value, func(element ast.Object) error {
		if taken == maxFindings {
			more.add(element)
			return nil
		}
		taken++
		if size := sandbox.Rendered(ast.NewTerm(element)); size > maxFinding {
			return fmt.Errorf("an element of %d bytes or more %w", maxFinding, sandbox.ErrTooLarge)
		}
		return read(element)
	})
	if err == nil && more.left > 0 {
		return more
	}
	return err
}

// shorten cuts texts that people read, and what they are found again by.
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
