package config

import "testing"

// A user's policy applies only where a user's Guardrail binds it.
func TestTheBuiltInGuardrailsBindNoPolicyOfAUser(t *testing.T) {
	catalog, bad := testCatalog(t).With(map[string]string{"my-own": `# METADATA
# title: Mine
# description: Mine.
# custom:
#   id: my-own
#   severity: low
#   kinds: [ConfigMap]
#   remediation: None.
package taffrail.user.my_own

deny contains {"msg": "m", "path": "p"}
`})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	bound := 0
	for _, g := range Default(catalog) {
		for _, policy := range g.Spec.Policies {
			if bound++; policy.Name == "my-own" {
				t.Errorf("%s binds it", g.Name)
			}
		}
	}
	if bound == 0 {
		t.Error("nothing is bound")
	}
}
