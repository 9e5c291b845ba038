package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

// The YAML that `policies show` prints must be valid for `check -c`.
func TestEverySampleIsAccepted(t *testing.T) {
	_, stdout, stderr := execute(nil, "policies", "list", "-o", "json")
	var listed struct{ Policies []struct{ ID string } }
	if err := json.Unmarshal([]byte(stdout), &listed); err != nil || len(listed.Policies) == 0 {
		t.Fatal(err, stdout, stderr)
	}
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range listed.Policies {
		t.Run(policy.ID, func(t *testing.T) {
			exit, stdout, stderr := execute(nil, "policies", "show", policy.ID)
			_, sample, found := strings.Cut(stdout, "every namespace:\n\n")
			if exit != exitClean || !found {
				t.Fatal(exit, stdout, stderr)
			}
			file := filepath.Join(t.TempDir(), "sample.yaml")
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(sample, "\n  ", "\n")[2:]), 0o600); err != nil {
				t.Fatal(err)
			}
			set, errs := config.LoadFiles(file)
			if errs = append(errs, set.Check(catalog)...); len(errs) > 0 || len(set.Objects().Guardrails) != 1 {
				t.Error(errs, sample)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	exit, stdout, stderr := execute(nil, "version")
	if exit != exitClean || !strings.HasPrefix(stdout, "taffrail ") || stderr != "" {
		t.Error(exit, stdout, stderr)
	}
}

func TestThePageOfPoliciesIsUpToDate(t *testing.T) {
	_, want, _ := execute(nil, "policies", "list", "-o", "markdown")
	got, err := os.ReadFile(filepath.Join("..", "..", "policies", "README.md"))
	if err != nil || string(got) != want {
		t.Errorf("policies/README.md is stale: run make generate (%v)", err)
	}
}
