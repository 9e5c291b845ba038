package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
)

const exportHeader = `apiVersion: taffrail.dev/v1alpha1
kind: Export
metadata: {name: prod, creationTimestamp: "2026-01-02T03:04:05Z"}
spec: {namespaces: [shop], unread: [{resource: limitranges, namespace: shop, reason: forbidden}]}
---
`

// An export is read like a file: its facts are skipped, and all else is as strict.
func TestLoadExport(t *testing.T) {
	const guardrail = `apiVersion: taffrail.dev/v1alpha1
kind: Guardrail
metadata: {name: a}
spec: {mode: enforce, policies: [{name: image-tag}, {name: from-another-version}]}
`
	const fact = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	load := func(text string) (*Files, []string) {
		path := filepath.Join(t.TempDir(), "export.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		set, errs := LoadFiles(path)
		var texts []string
		for _, err := range append(errs, set.Check(catalog)...) {
			texts = append(texts, strings.TrimPrefix(err.Error(), path))
		}
		return set, texts
	}
	set, errs := load(exportHeader + guardrail + fact)
	exports := set.Exports()
	if len(errs) > 0 || len(exports) != 1 || len(set.Objects().Guardrails) != 1 || !set.Exported(KindGuardrail, "a") {
		t.Fatalf("%v, %+v, %+v", errs, exports, set.Objects())
	}
	spec := exports[0].Spec
	if exports[0].Metadata.Name != "prod" || exports[0].Metadata.CreationTimestamp.Year() != 2026 || !slices.Equal(spec.Namespaces, []string{"shop"}) ||
		len(spec.Unread) != 1 || spec.Unread[0] != (Unread{"limitranges", "shop", "forbidden"}) {
		t.Errorf("%+v", exports[0])
	}
	if set, errs := load(exportHeader); len(errs) > 0 || len(set.Exports()) != 1 {
		t.Errorf("an export of a cluster without Guardrails: %v", errs)
	}
	for text, want := range map[string]string{
		// Without the header it is no export.
		guardrail:        `:4: spec.policies[1].name: Invalid value: "from-another-version": there is no policy with this id`,
		guardrail + fact: `:6: apiVersion: v1 Namespace is not supported: write ` + anyKind + ` of taffrail.dev/v1alpha1`,
		// The header comes first, and is as strict as all else.
		guardrail + "---\n" + exportHeader:                                                  `:7: kind: "Export" is not supported: write ` + anyKind,
		exportHeader + "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n":                `:6: apiVersion: v1 Secret is not supported: write ` + anyKind + ` of taffrail.dev/v1alpha1`,
		strings.Replace(exportHeader, "namespaces:", "namespace:", 1):                       `:4: spec.namespace: unknown field, did you mean "namespaces"?`,
		strings.Replace(exportHeader, "creationTimestamp", "created", 1):                    `:3: metadata.created: unknown field`,
		strings.Replace(exportHeader, `, creationTimestamp: "2026-01-02T03:04:05Z"`, "", 1): `:3: metadata.creationTimestamp: is missing: an export names the time at which the cluster was read`,
	} {
		if _, errs := load(text); !slices.Contains(errs, want) {
			t.Errorf("want %s\ngot  %s", want, strings.Join(errs, "\n     "))
		}
	}
}
