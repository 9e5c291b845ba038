package rego

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
)

const (
	// maxFindings limits how many findings, and how many intents, are read from a user's policy for one object.
	maxFindings = 100
	// maxLibraryFindings is the same for a policy of the library. It is as many as there can be about the resources of
	// all containers of a Pod.
	maxLibraryFindings = 2_000
	// maxRests limits in how many violations those that are not read are summed up.
	maxRests = 8
)

// restError is returned when a set has more elements than are read.
type restError struct {
	most  int
	rests []*rest
}

func (e *restError) Error() string {
	left := 0
	for _, r := range e.rests {
		left += r.left
	}
	return fmt.Sprintf("there are %d more than the %d that are allowed", left, e.most)
}

// rest stands for findings that are not read: those in one field of the object that are known, or those that are not.
type rest struct {
	field string
	known bool

	left   int
	digest hash.Hash
	// path leads to what all of them are in.
	path decision.FieldPath
	// container is the same for all of them, or empty.
	container string
	// mode is that of the strictest one.
	mode    decision.Mode
	unknown string
}

// add records an element that is not read.
func (e *restError) add(more element) {
	path, unknown := decision.FieldPath(more.text("path")), more.text("unknown")
	field, known := path.First(), unknown == ""
	at := slices.IndexFunc(e.rests, func(r *rest) bool { return r.field == field && r.known == known })
	if at < 0 && len(e.rests) >= maxRests {
		at = slices.IndexFunc(e.rests, func(r *rest) bool { return r.known == known })
	}
	if at < 0 {
		at = len(e.rests)
		e.rests = append(e.rests, &rest{
			field: strings.Clone(field), known: known, digest: sha256.New(), path: path, container: more.text("container"), unknown: unknown,
		})
	}
	e.rests[at].add(more, path)
}

func (r *rest) add(more element, path decision.FieldPath) {
	r.left++
	r.path = commonPath(r.path, path)
	if more.text("container") != r.container {
		r.container = ""
	}
	mode, err := decision.ParseMode(more.text("at_most"))
	if err != nil {
		mode = decision.ModeEnforce
	}
	r.mode = max(r.mode, mode)
	for _, name := range []string{"path", "container", "key", "msg", "at_most"} {
		text := more.text(name)
		fmt.Fprintf(r.digest, "%d %s", len(text), text) //nolint:errcheck // a digest's Write never fails
	}
}

// commonPath returns the path of what two fields are both in.
func commonPath(a, b decision.FieldPath) decision.FieldPath {
	if a == b {
		return a
	}
	common := 0
	for written := range a.Steps() {
		if !b.Within(a[:common+len(written)]) {
			break
		}
		common += len(written)
	}
	return a[:common]
}

// violations returns those that stand for all findings that were not read. Their digests are of these: any change makes
// it a new violation, so nothing can hide behind findings that the old object already had.
func (e *restError) violations() []decision.Violation {
	all := make([]decision.Violation, len(e.rests))
	for i, r := range e.rests {
		all[i] = decision.Violation{
			Message: fmt.Sprintf("there are %d more findings of this policy", r.left),
			Path:    string(r.path), Container: r.container, Key: "more findings in " + r.field, Unknown: r.unknown, Several: true,
		}
		r.digest.Sum(all[i].Digest[:0])
		if r.mode < decision.ModeEnforce {
			all[i].AtMost = r.mode
		}
	}
	return all
}
