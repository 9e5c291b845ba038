package main

import (
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// What is measured as clean is clean, and what is measured with findings is denied.
func TestSamplesAreWhatTheirNamesSay(t *testing.T) {
	all, err := samples(options{chapter: "../testdata/chapter"})
	if err != nil {
		t.Fatal(err)
	}
	decider, err := deciderWith(t.Context(), extraPolicies)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		origin := decision.OriginValidating
		if s.mutate {
			origin = decision.OriginMutating
		}
		r, err := request.Review(s.review, origin)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		d, err := decider.Decide(t.Context(), r)
		if err != nil || len(d.Errors) > 0 {
			t.Fatalf("%s: %v, %v", s.Name, err, d.Errors)
		}
		if denied := d.Verdict == decision.VerdictDeny; denied != s.faulty || !s.faulty && len(d.Findings) > 0 {
			t.Errorf("%s: got %v, %+v", s.Name, d.Verdict, d.Findings)
		}
	}
}
