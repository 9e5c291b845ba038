package regotest_test

import (
	"fmt"
	"strings"
	"testing"

	"taffrail.dev/policies"
	"taffrail.dev/test/corpus"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

const mark = "Hunter2MARK"

// credentials returns texts that contain a password and that no policy could require.
func credentials() []string {
	return []string{
		"user:" + mark + "@registry.example/app:1.0.0",
		"https://user:" + mark + "@host.example/path",
		"user:with blanks " + mark + "@registry.example/app",
		`user:"` + mark + `"@registry.example/app`,
		"https://host.example/?X-Amz-Signature=" + mark,
		"Bearer " + mark,
		"ghp_" + mark + strings.Repeat("0", 36-len(mark)),
		"DB_PASSWORD=" + mark,
	}
}

// Whatever strings the objects of the library's cases contain, no policy reveals a credential in a message,
// path, key or fix.
func TestNoPolicyTellsACredential(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	all := loadCases(t)
	next := 0
	for _, policy := range catalog.Policies() {
		alone := catalog.Only(policy.ID)
		seen := map[string]bool{}
		findings := 0
		for _, c := range all[policy.ID] {
			program, err := c.Program(alone, policy)
			if err != nil {
				t.Fatal(err)
			}
			kind, _ := c.Object["kind"].(string)
			corpus.EachText(c.Object, kind, func(path string, set func(string) (undo func())) {
				if seen[path] || path == kind+".kind" || path == kind+".apiVersion" {
					return
				}
				seen[path] = true
				for range 2 {
					text := credentials()[next%len(credentials())]
					next++
					undo := set(text)
					result, err := c.Evaluate(t.Context(), program)
					undo()
					if err != nil {
						// Objects that cannot be read are not decided; the CLI's tests cover the errors.
						continue
					}
					findings += len(result.Violations)
					if told := tells(result); told != "" {
						t.Errorf("%s: %s = %q: %s", policy.ID, path, text, told)
					}
				}
			})
		}
		if findings == 0 && policy.Validates {
			t.Errorf("%s: nothing was found in %d fields", policy.ID, len(seen))
		}
	}
}

func tells(result decision.Result) string {
	text := ""
	for _, intent := range result.Intents {
		text += intent.Field + intent.Value + "\n"
	}
	for _, v := range result.Violations {
		// The container's name identifies the container, so it is printed as it is in a message.
		text += decision.Line(fmt.Sprintf("%q", v.Container), 400) + fmt.Sprintf("\n%s\n%s\n%s\n%s\n%+v", v.Message, v.Path, v.Key, v.Unknown, v.Fix)
	}
	if strings.Contains(text, mark) {
		return text
	}
	return ""
}
