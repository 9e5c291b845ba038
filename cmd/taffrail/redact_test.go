package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taffrail.dev/test/corpus"
)

const mark = "Hunter2MARK"

// quotingPolicy quotes every value, in every way that Rego has.
const quotingPolicy = `apiVersion: taffrail.dev/v1alpha1
kind: Policy
metadata: {name: quoting}
spec:
  rego: |
    # METADATA
    # title: Quoting
    # description: It quotes.
    # custom:
    #   id: quoting
    #   severity: low
    #   section: "1"
    #   kinds: [Pod, Deployment.apps, Service, Secret, ConfigMap]
    #   default_mode: enforce
    #   remediation: Write something else.
    package taffrail.user.quoting

    deny contains {"msg": sprintf("%v and %s", [value, value]), "path": sprintf("a[%v]", [value]), "key": value} if some value in values
    deny contains {"msg": sprintf("%q", [value]), "path": "a", "unknown": value, "fix": [{"op": "add", "path": "/metadata/labels", "value": {"a": value}}]} if some value in values
    deny contains {"msg": json.marshal(input.object), "path": "a"}
    deny contains {"msg": sprintf("%v", [input.object]), "path": "a"}

    values contains value if some value in input.object.metadata.annotations
    values contains value if some value in input.object.data
    values contains base64.decode(value) if { input.kind == "Secret"; some value in input.object.data }
    values contains input.object.spec.externalName
    values contains container.image.reference if some container in input.containers
    values contains env.value if { some container in input.containers; some env in container.spec.env }
---
apiVersion: taffrail.dev/v1alpha1
kind: Guardrail
metadata: {name: all}
spec:
  mode: enforce
  namespaceSelector: {}
  policies: [{name: quoting}, {name: image-tag}, {name: plaintext-secret}, {name: env-credentials}, {name: configmap-credentials}, {name: require-prestop}, {name: restricted-service-type}]
`

// credentials returns texts that contain a password.
func credentials() []string {
	return []string{
		"user:" + mark + "@registry.example/app:1.0.0",
		"https://user:" + mark + "@host.example/path",
		"user:with blanks " + mark + "@registry.example/app",
		"https://host.example/?a=b&X-Amz-Signature=" + mark,
		"ghp_" + mark + strings.Repeat("0", 36-len(mark)),
		"DB_PASSWORD=" + mark,
	}
}

// Whatever strings an object contains, no format of any command prints a credential in them.
func TestCredentialsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(quotingPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	input := marked(t)
	if strings.Count(input, mark) < 300 {
		t.Fatalf("only %d credentials", strings.Count(input, mark))
	}
	for _, args := range [][]string{
		{"check", "-v"}, {"check", "-o", "json"}, {"check", "-c", config, "-v"}, {"check", "-c", config, "-o", "json"}, {"check", "-c", config, "-o", "sarif"},
		{"check", "-c", config, "-o", "junit"}, {"check", "-c", config, "-o", "github", "--max-mode", "warn"}, {"check", "-c", config, "-o", "html"}, {"fix", "--diff"},
	} {
		exit, stdout, stderr := execute(strings.NewReader(input), args...)
		if exit == exitClean || len(stdout)+len(stderr) < 1000 {
			t.Errorf("%v: exit code %d, and only\n%s%s", args, exit, stdout, stderr)
		}
		for line := range strings.Lines(stdout + stderr) {
			if at := strings.Index(line, mark); at >= 0 {
				t.Errorf("%v: …%s", args, line[max(0, at-300):min(len(line), at+100)])
				break
			}
		}
	}
}

// marked returns a stream of the repository's objects, each with a credential in one string. Every string of
// every kind gets one in turn.
func marked(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	seen := map[string]bool{}
	next := 0
	for _, object := range corpus.Objects(t, "../..") {
		kind, _ := object["kind"].(string)
		corpus.EachText(object, kind, func(path string, set func(string) (undo func())) {
			if seen[path] {
				return
			}
			seen[path] = true
			undo := set(credentials()[next%len(credentials())])
			next++
			text, err := json.Marshal(object)
			undo()
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString("---\n" + string(text) + "\n")
		})
	}
	// A file as people write it, for the lines around a fix.
	b.WriteString("---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: web}}\n" +
		"  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      - name: web\n        image: user:" + mark + "@registry.example/web\n" +
		"        env:\n        - {name: A, value: \"https://user:" + mark + "@host/\"}\n        ports: [{containerPort: 80}]\n")
	return b.String()
}

// The output of a Policy's tests omits credentials in the objects that they contain.
func TestTestPrintsNoCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"policy.yaml":        strings.Split(quotingPolicy, "---\n")[0],
		"cases/quoting.yaml": "name: quoting\nobject: {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: \"user:" + mark + "@registry.example/a\"}]}}\nfindings: []\n",
		"quoting_test.rego":  "package taffrail.user.quoting_test\n\ntest_a if {\n\tprint(\"user:" + mark + "@registry.example/a\")\n\t\"user:" + mark + "@registry.example/a\" == \"b\"\n}\n",
	})
	for _, output := range []string{"text", "json"} {
		exit, stdout, stderr := execute(strings.NewReader(""), "test", "-o", output, dir)
		if exit != exitViolations || !strings.Contains(stdout, "***@registry.example") || strings.Contains(stdout+stderr, mark) {
			t.Errorf("%s: exit code %d:\n%s%s", output, exit, stdout, stderr)
		}
	}
}

// The lines around a fix may belong to a Secret. A diff contains none of its values, and keeps the line numbers
// of the file.
func TestADiffQuotesNoSecret(t *testing.T) {
	t.Parallel()
	// Its first lines change, so that the diff quotes the last lines of the document before it.
	const deployment = "spec:\n  revisionHistoryLimit: 0\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n" +
		"    spec: {containers: [{name: web, image: \"web:1.0.0\", ports: [{containerPort: 80}]}]}\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
	for name, secret := range map[string]string{
		"block":      "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  a: MARK\n  b: |\n    MARK\n\n    MARK\n  c: \"x\n    MARK\"\n",
		"flow":       "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: MARK,\n  b: MARK}\n",
		"quoted":     "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n\"stringData\":\n    \"a\": MARK\n",
		"JSON":       `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"stringData":{"a":"MARK"}}` + "\n",
		"annotation": "apiVersion: v1\nkind: Secret\ndata: {}\nmetadata:\n  name: a\n  annotations:\n    a: '{\"MARK\":\"MARK\"}'\n",
		"CRLF":       "apiVersion: v1\r\nkind: Secret\r\nmetadata: {name: a}\r\nstringData:\r\n  a: MARK\r\n",
	} {
		secret = strings.ReplaceAll(secret, "MARK", mark)
		_, stdout, _ := execute(strings.NewReader(secret+"---\n"+deployment), "fix", "--diff")
		if !strings.Contains(stdout, "***") || strings.Contains(stdout, mark) {
			t.Errorf("%s:\n%s", name, stdout)
		}
	}
}
