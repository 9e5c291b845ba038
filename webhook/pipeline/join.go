package pipeline

import (
	"crypto/sha256"
	"maps"
	"slices"

	"taffrail.dev/webhook/decision"
)

// identity identifies a violation across edits of an object and across Guardrails.
type identity struct {
	Policy    string
	Container string
	Key       string
	Digest    [sha256.Size]byte
}

func identityOf(f *decision.Finding) identity {
	return identity{Policy: f.Policy, Container: f.Container, Key: f.Key, Digest: f.Digest}
}

// join adds the findings and errors of another decision about the same object to result. It
// combines findings with the same identity.
func join(result, more *decision.Decision) {
	for i := range more.Findings {
		f := &more.Findings[i]
		at := slices.IndexFunc(result.Findings, func(have decision.Finding) bool { return identityOf(&have) == identityOf(f) })
		if at < 0 {
			result.Findings = append(result.Findings, *f)
			continue
		}
		combine(&result.Findings[at], f)
	}
	if len(more.Errors) > 0 && result.Errors == nil {
		result.Errors = map[string]error{}
	}
	maps.Copy(result.Errors, more.Errors)
	result.Unbound = result.Unbound && more.Unbound
	sortFindings(result.Findings)
	result.Verdict = decision.Worst(result.Findings)
}

// combine merges f into have, which has the same identity. The result is the one with the worse
// consequence for the writer, now or once it is enforced, and names the Guardrails of both.
func combine(have, f *decision.Finding) {
	guardrails, by := union(have.Guardrails, f.Guardrails), union(have.WouldDenyBy, f.WouldDenyBy)
	if f.Verdict() > have.Verdict() || f.Verdict() == have.Verdict() && f.WouldDeny && !have.WouldDeny {
		*have = *f
	}
	have.Guardrails, have.WouldDenyBy, have.WouldDeny = guardrails, by, len(by) > 0
}

// union returns a sorted slice.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
