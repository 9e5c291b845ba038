package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

func asJSON(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := whole(NewJSON(&b), r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Programs read this format: any change other than an addition breaks them.
func TestJSON(t *testing.T) {
	named := Object{
		Source: manifest.Source{File: "f.yaml", Line: 3}, Cluster: "prod", Owner: "team-a",
		Request: &decision.Request{
			Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
			Name: "web", Namespace: decision.Namespace{Name: "shop"},
		},
		Decision: &decision.Decision{
			Verdict: decision.VerdictDeny,
			Findings: []decision.Finding{
				{
					Policy: "a-policy", Guardrails: []string{"one", "two"}, Mode: decision.ModeEnforce, Severity: decision.SeverityHigh,
					Container: "main", Path: "spec.a", Key: "a", Message: "<a> & b", Remediation: "Do it.",
					Fix: []decision.PatchOperation{
						{Op: "test", Path: "/spec/a"},
						{Op: "add", Path: "/spec/a"},
						{Op: "replace", Path: "/spec/a", Value: false},
						{Op: "remove", Path: "/spec/a"},
					},
					Tolerated: "it was there before", Exemptions: []string{"an-exemption"}, Unknown: "nobody knows",
				},
				{Mode: decision.ModeAudit},
			},
			Fills: []decision.Fill{
				{Policy: "a-policy", Guardrails: []string{"one"}, Mode: decision.ModeEnforce, Container: "main", Field: "resources", Value: "1"},
				{Mode: decision.ModeWarn},
			},
			Patch: []decision.PatchOperation{{Op: "add", Path: "/spec/b", Value: map[string]any{"c": ""}}},
		},
	}
	generated := Object{
		Request:  &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, GenerateName: "web-"},
		Decision: &decision.Decision{Verdict: decision.VerdictAllow, Unbound: true},
	}
	const want = `{
  "objects": [
    {
      "apiVersion": "apps/v1",
      "kind": "Deployment",
      "namespace": "shop",
      "name": "web",
      "generateName": "",
      "source": {
        "file": "f.yaml",
        "line": 3
      },
      "cluster": "prod",
      "owner": "team-a",
      "verdict": "deny",
      "judged": true,
      "findings": [
        {
          "policy": "a-policy",
          "guardrails": [
            "one",
            "two"
          ],
          "mode": "enforce",
          "severity": "high",
          "container": "main",
          "path": "spec.a",
          "line": 3,
          "key": "a",
          "message": "<a> & b",
          "remediation": "Do it.",
          "fix": [
            {
              "op": "test",
              "path": "/spec/a",
              "value": null
            },
            {
              "op": "add",
              "path": "/spec/a",
              "value": null
            },
            {
              "op": "replace",
              "path": "/spec/a",
              "value": false
            },
            {
              "op": "remove",
              "path": "/spec/a"
            }
          ],
          "tolerated": "it was there before",
          "exempted": "an-exemption",
          "unknown": "nobody knows",
          "change": ""
        },
        {
          "policy": "",
          "guardrails": [],
          "mode": "audit",
          "severity": "",
          "container": "",
          "path": "",
          "line": 3,
          "key": "",
          "message": "",
          "remediation": "",
          "fix": [],
          "tolerated": "",
          "exempted": "",
          "unknown": "",
          "change": ""
        }
      ],
      "filled": [
        {
          "policy": "a-policy",
          "guardrails": [
            "one"
          ],
          "mode": "enforce",
          "container": "main",
          "field": "resources",
          "value": "1"
        },
        {
          "policy": "",
          "guardrails": [],
          "mode": "warn",
          "container": "",
          "field": "",
          "value": ""
        }
      ],
      "patch": [
        {
          "op": "add",
          "path": "/spec/b",
          "value": {
            "c": ""
          }
        }
      ]
    },
    {
      "apiVersion": "v1",
      "kind": "Pod",
      "namespace": "",
      "name": "",
      "generateName": "web-",
      "source": {
        "file": "",
        "line": 0
      },
      "cluster": "",
      "owner": "",
      "verdict": "allow",
      "judged": false,
      "findings": [],
      "filled": [],
      "patch": []
    }
  ],
  "errors": [
    {
      "source": {
        "file": "g.yaml",
        "line": 0
      },
      "message": "is a puzzle"
    }
  ],
  "warnings": [
    {
      "source": {
        "file": "f.yaml",
        "line": 4
      },
      "message": "spec.b: has no effect"
    }
  ],
  "notJudged": [
    {
      "group": "",
      "kind": "Pod",
      "count": 1
    }
  ],
  "skipped": [
    {
      "what": "kustomize patch",
      "count": 2,
      "message": "2 kustomize patches: not objects, not checked; check what the kustomization builds: kustomize build DIR | taffrail check -"
    },
    {
      "what": "document without apiVersion and kind",
      "count": 1,
      "message": "1 document without apiVersion and kind: not an object, not checked"
    }
  ],
  "notes": [
    "it is a test"
  ],
  "gone": [],
  "summary": {
    "objects": 2,
    "allow": 0,
    "warn": 0,
    "deny": 1,
    "unknown": 0,
    "notJudged": 1,
    "errors": 1,
    "warnings": 1,
    "skipped": 3,
    "new": 0,
    "unchanged": 0,
    "gone": 0
  }
}
`
	problem := Problem{Source: manifest.Source{File: "g.yaml"}, Message: "is a puzzle"}
	var skipped []Skipped
	for _, sort := range []manifest.Category{manifest.Foreign, manifest.Patch, manifest.Patch, manifest.Blank} {
		skipped = append(skipped, Skipped{Reason: &manifest.NotObjectError{Category: sort}})
	}
	got := asJSON(t, &Report{
		Objects: []Object{named, generated}, Errors: []Problem{problem}, Skipped: skipped, Notes: []string{"it is a test"},
		Warnings: []Problem{{Source: manifest.Source{File: "f.yaml", Line: 4}, Message: "spec.b: has no effect"}},
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if empty := asJSON(t, &Report{}); !strings.HasPrefix(empty, "{\n  \"objects\": [],\n  \"errors\": [],\n  \"warnings\": [],\n  \"notJudged\": [],\n  \"skipped\": [],\n  \"notes\": [],\n  \"gone\": [],\n  \"summary\": {") {
		t.Errorf("an empty report:\n%s", empty)
	}
}
