package main

import (
	"encoding/base64"
	"strings"
	"testing"
)

// However broken a Secret is, no part of it may reach a terminal or a CI log.
func TestSecretsAreNeverPrinted(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(secretValue))
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n"
	tests := map[string]string{
		"stringData":           secret + "stringData: {password: VALUE}\n",
		"data":                 secret + "data: {password: ENCODED}\n",
		"data not encoded":     secret + "data: {password: VALUE}\n",
		"data of lists":        secret + "data: {password: [VALUE]}\n",
		"data as a list":       secret + "data: [VALUE]\n",
		"data as text":         secret + "data: VALUE\n",
		"stringData as text":   secret + "stringData: VALUE\n",
		"stringData of maps":   secret + "stringData: {a: {b: VALUE}}\n",
		"metadata as text":     "apiVersion: v1\nkind: Secret\nmetadata: VALUE\ndata: {a: ENCODED}\n",
		"labels as text":       "apiVersion: v1\nkind: Secret\nmetadata: {name: a, labels: VALUE}\ndata: {a: ENCODED}\n",
		"type as a list":       secret + "type: [VALUE]\nstringData: {a: b}\n",
		"last applied":         "apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"stringData\":{\"a\":\"VALUE\"}}'}}\ndata: {a: ENCODED}\n",
		"a value that aliases": secret + "stringData:\n  password: *VALUE\n",
		"a value with a tag":   secret + "stringData:\n  password: !VALUE!x y\n",
		"a tag of its own":     secret + "stringData:\n  password: !!int VALUE\n",
		"a number tag":         secret + "stringData:\n  password: !!float VALUE\n",
		"binary":               secret + "data:\n  password: !!binary VALUE\n",
		"a colon":              secret + "stringData:\n  password: VALUE: VALUE\n",
		"an open quote":        secret + "stringData:\n  password: \"VALUE\n",
		"an escape":            secret + "stringData:\n  password: \"\\VALUE\"\n",
		"indentation":          secret + "stringData:\n  password: VALUE\n other: VALUE\n",
		"a percent sign":       secret + "stringData:\n  password: %VALUE\n",
		"an at sign":           secret + "stringData:\n  password: @VALUE\n",
		"a template":           secret + "stringData:\n  password: {{VALUE}}\n",
		"a map as a key":       secret + "stringData:\n  ? {VALUE: VALUE}\n  : VALUE\n",
		"a merge":              secret + "stringData:\n  <<: VALUE\n",
		"a merge of a list":    secret + "stringData:\n  <<: [VALUE]\n",
		"an anchor in itself":  secret + "stringData: &VALUE [*VALUE]\n",
		"infinity":             secret + "stringData: {a: .inf, b: VALUE}\n",
		"JSON":                 `{"apiVersion":"v1","kind":"Secret","stringData":{"a":"VALUE"`,
		"a List":               "apiVersion: v1\nkind: List\nitems: [{kind: Secret, stringData: {a: VALUE}}, VALUE]\n",
		"without kind":         "apiVersion: v1\nstringData: {a: VALUE}\n",
		"a block scalar":       secret + "stringData:\n  a: |\n  VALUE\n",
		"a control character":  secret + "stringData:\n  a: VALUE\x01\n",
		"depth":                secret + "stringData: " + strings.Repeat("[", 300) + "VALUE" + strings.Repeat("]", 300) + "\n",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.NewReplacer("VALUE", secretValue, "ENCODED", encoded).Replace(text)
			for _, args := range [][]string{
				{"-o", "json"}, {"-v"}, {"-o", "sarif"}, {"-o", "junit"}, {"-o", "github"}, {"-o", "json", "--max-mode", "audit"},
			} {
				exit, stdout, stderr := execute(strings.NewReader(text), append([]string{"check"}, args...)...)
				for _, value := range []string{secretValue, encoded} {
					if strings.Contains(stdout+stderr, value) {
						t.Errorf("%v: exit code %d, and a value is printed:\n%s%s", args, exit, stdout, stderr)
					}
				}
				if exit == exitClean && len(args) < 4 {
					t.Errorf("%v: passes", args)
				}
			}
			// fix prints the user's own text on standard output.
			_, _, stderr := execute(strings.NewReader(text), "fix")
			if strings.Contains(stderr, secretValue) || strings.Contains(stderr, encoded) {
				t.Errorf("fix: a value is printed:\n%s", stderr)
			}
		})
	}
}
