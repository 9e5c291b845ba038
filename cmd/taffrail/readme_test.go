package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
)

// The denials in the README must be those of the policies.
func TestReadmeQuotesPolicies(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	id, quoted := "", 0
	for line := range strings.Lines(string(text)) {
		if finding := regexp.MustCompile(`^- ([a-z-]+), `).FindStringSubmatch(line); finding != nil {
			id = finding[1]
		}
		written, ok := strings.CutPrefix(strings.TrimSpace(line), "fix:    ")
		if !ok {
			continue
		}
		quoted++
		policy, ok := catalog.Policy(id)
		if !ok || policy.Remediation != written {
			t.Errorf("%s: the README says %q, the policy %q", id, written, policy.Remediation)
		}
	}
	if quoted == 0 {
		t.Error("no denial was found in the README")
	}
}
