package configcheck_test

import (
	"strings"
	"testing"

	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
)

const readsWord = `# METADATA
# title: A title
# description: A description.
# custom:
#   id: own
#   severity: low
#   kinds: [ConfigMap]
#   remediation: Write something else.
#   parameters:
#     type: object
#     properties:
#       word: {type: string, default: w, description: A word.}
package taffrail.user.own

deny contains {"msg": input.parameters.word, "path": "data"}
`

// Applying a Policy that the next version will not accept causes a warning.
func TestAPolicyThatReadsParametersUnderItsIDIsWarnedOf(t *testing.T) {
	for text, want := range map[string]string{
		readsWord: "",
		strings.Replace(readsWord, "input.parameters.word", `input.parameters["own"].word`, 1): "Line 15 reads parameters under the Policy's own id",
	} {
		checked, err := configcheck.New(catalog(t), stored{}, nil).Check(t.Context(), &decision.Request{
			Operation: decision.Create,
			Object: map[string]any{
				"apiVersion": "taffrail.dev/v1alpha1", "kind": "Policy", "metadata": map[string]any{"name": "own"}, "spec": map[string]any{"rego": text},
			},
		})
		if err != nil || len(checked.Faults) > 0 {
			t.Fatal(err, checked)
		}
		got := strings.Join(checked.Warnings, "\n")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
