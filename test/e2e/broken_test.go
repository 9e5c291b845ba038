//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// house is the namespace of houseRules.
const house = "house"

// houseRules is a user's Policy, and the Guardrail that binds it next to a policy of the library. FUNCTION is
// what the Policy calls, and NAME the policy of the library.
const houseRules = `apiVersion: taffrail.dev/v1alpha1
kind: Policy
metadata: {name: house-team}
spec:
  rego: |
    # METADATA
    # title: ConfigMaps name a team
    # description: Whoever finds one knows whom to ask.
    # custom:
    #   id: house-team
    #   severity: low
    #   kinds: [ConfigMap]
    #   remediation: Write a team.
    package taffrail.user.house_team

    deny contains {"msg": "no team is named", "path": "data.team"} if {
      FUNCTION(input.object, ["data", "team"], "") == ""
    }
---
apiVersion: taffrail.dev/v1alpha1
kind: Guardrail
metadata: {name: house}
spec:
  mode: enforce
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: house}}
  policies: [{name: house-team}, {name: NAME}]
`

// A broken Guardrail and a broken Policy are refused when they are applied. If they are stored anyway, the last
// valid versions stay in force, on every replica and after all of them were replaced, and the status reports
// the fault.
func TestBrokenConfiguration(t *testing.T) {
	install(t, "eks")
	restoreAfterFailure(t)
	namespace(t, shop)
	namespace(t, house)
	good := strings.NewReplacer("FUNCTION", "object.get", "NAME", "min-replicas").Replace(houseRules)
	broken := strings.NewReplacer("FUNCTION", "object.fetch", "NAME", "image-tags").Replace(houseRules)
	apply(t, world.admin, good, "")
	t.Cleanup(func() { forget(t, "guardrail/house", "policy/house-team") })
	serves(t, "good")
	load := startLoad(t, shop)

	refusals := exits(t, 1, world.admin, []byte(broken), "apply -f -")
	must(t, counts(refusals, `admission webhook "config.taffrail.dev" denied the request`, "object.fetch", `did you mean "image-tag"?`))
	serves(t, "refused")

	// Someone removes the check and applies the broken objects anyway.
	unguard(t)
	apply(t, world.admin, broken, "")
	says(t, "policy/house-team", "LastGood", "object.fetch")
	says(t, "guardrail/house", "PartlyInvalid", "image-tags")
	serves(t, "broken")
	kubectl(t, world.admin, "rollout restart deployment/"+release+" --namespace="+systemNamespace)
	settled(t)
	serves(t, "broken, and every replica is new")
	load.more(t, 2*writesPerSecond)
	load.unharmed(t, "broken configuration")

	// Restore the check.
	restore(t, "eks")
	exits(t, 1, world.admin, []byte(strings.ReplaceAll(broken, "object.fetch", "object.fetched")), "apply -f -")
	apply(t, world.admin, good, "")
	says(t, "policy/house-team", "Compiled", "")
	says(t, "guardrail/house", "Compiled", "")
	serves(t, "fixed")
}

// unguard removes the entry that checks the configuration.
func unguard(t *testing.T) {
	t.Helper()
	names := kubectl(t, world.admin, "get validatingwebhookconfiguration "+release+" --output=jsonpath={.webhooks[*].name}")
	for i, name := range strings.Fields(names) {
		if name == "config.taffrail.dev" {
			kubectl(t, world.admin, "patch validatingwebhookconfiguration "+release+" --type=json --patch",
				fmt.Sprintf(`[{"op":"remove","path":"/webhooks/%d"}]`, i))
			return
		}
	}
	t.Fatalf("no config.taffrail.dev among %s", names)
}

// says waits until the condition Active has a reason, and words in its message.
func says(t *testing.T, object, reason, words string) {
	t.Helper()
	eventually(t, object+" to say "+reason, func(ctx context.Context) error {
		out, err := world.kubectl(ctx, world.admin, "get "+object+` --output=jsonpath={.status.conditions[?(@.type=="Active")]['reason','message']}`)
		if err == nil {
			err = counts(out.text, reason, words)
		}
		return err
	})
}

// serves requires every replica to demand a team, and nothing else, of a ConfigMap.
func serves(t *testing.T, when string) {
	t.Helper()
	create := func(ctx context.Context, data map[string]string) error {
		_, err := world.alice.client.CoreV1().ConfigMaps(house).Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Data: data,
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	agreed(t, when+": a team to be asked for", func(ctx context.Context) error {
		err := create(ctx, map[string]string{"owner": "a"})
		if !deniedBy(err) || !strings.Contains(err.Error(), "no team is named") {
			return fmt.Errorf("answered with %w", orAdmitted(err))
		}
		return nil
	})
	agreed(t, when+": a ConfigMap with one to be let in", func(ctx context.Context) error {
		return create(ctx, map[string]string{"team": "a"})
	})
}
