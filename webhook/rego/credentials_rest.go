package rego

import (
	"crypto/sha256"
	"fmt"
	"hash"

	"taffrail.dev/webhook/credentials"
	"taffrail.dev/webhook/decision"
)

// maxMatches limits how many credentials of one object policies get to see one by one. All others are one more, which
// names their number. What is scanned must come in an order of its own, or it would be others each time.
const maxMatches = maxLibraryFindings

// restMatches stands for the credentials of an object that are more than maxMatches.
type restMatches struct {
	count int
	// digest is of where they are and what they are, and of none of their values.
	digest hash.Hash
	// path leads to what all of them are in.
	path decision.FieldPath
	// certain is true if one of them is.
	certain bool
}

func (r *restMatches) add(at *place, matches []credentials.Match) {
	path := at.path.String()
	if r.count == 0 {
		r.digest, r.path = sha256.New(), decision.FieldPath(path)
	}
	r.path = commonPath(r.path, decision.FieldPath(path))
	for _, m := range matches {
		r.count++
		r.certain = r.certain || !m.Likely
		fmt.Fprintf(r.digest, "%d %s %q %q %t\n", len(path), path, m.Name, m.What, m.Likely) //nolint:errcheck // a digest's Write never fails
	}
}

// addRest adds what is left of the scan to found, as a word of a command line: the key of a finding about that has the
// text, so that whatever changes is a new finding.
func (p *textCollector) addRest() {
	if p.rest.count == 0 {
		return
	}
	what := fmt.Sprintf("%d more credentials (%x)", p.rest.count, p.rest.digest.Sum(nil)[:8])
	hold := map[string]any{"name": "", "what": what, "named": false, "likely": !p.rest.certain, "detector": "", "line": 0}
	path := string(p.rest.path)
	if path == "" {
		path = "spec"
	}
	if before, ok := p.found[path].(map[string]any); ok {
		before["holds"] = append(before["holds"].([]any), hold)
		return
	}
	p.found[path] = map[string]any{"container": "", "sort": "word", "name": path, "field": path, "holds": []any{hold}}
}
