package pipeline

import (
	"maps"
	"slices"

	"taffrail.dev/webhook/decision"
)

// join adds to a decision the findings and errors of another one about the same object. Of
// two findings with the same identity the one that costs the writer more is left.
func join(d, more *decision.Decision) {
	for i := range more.Findings {
		f := &more.Findings[i]
		at := slices.IndexFunc(d.Findings, func(have decision.Finding) bool { return identityOf(&have) == identityOf(f) })
		if at < 0 {
			d.Findings = append(d.Findings, *f)
			continue
		}
		combine(&d.Findings[at], f)
	}
	if len(more.Errors) > 0 && d.Errors == nil {
		d.Errors = map[string]error{}
	}
	maps.Copy(d.Errors, more.Errors)
	d.Unbound = d.Unbound && more.Unbound
	sortFindings(d.Findings)
	d.Verdict = decision.Worst(d.Findings)
}

// combine makes one of two findings with the same identity: that which costs the writer
// more, now or once it is enforced, for all Guardrails that asked for either.
func combine(have, f *decision.Finding) {
	guardrails, by := union(have.Guardrails, f.Guardrails), union(have.WouldDenyBy, f.WouldDenyBy)
	if f.Verdict() > have.Verdict() || f.Verdict() == have.Verdict() && f.WouldDeny && !have.WouldDeny {
		*have = *f
	}
	have.Guardrails, have.WouldDenyBy, have.WouldDeny = guardrails, by, len(by) > 0
}

func identityOf(f *decision.Finding) identity {
	return identity{Policy: f.Policy, Container: f.Container, Key: f.Key, Digest: f.Digest}
}

// union is sorted.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
