package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

const fnords = `
phrases:
- {pattern: '\bfnord of old\b', write: fnord, like: a fnord of old}
exempt:
- {path: '^exempt/', why: it is a test}
`

func TestCheck(t *testing.T) {
	l, err := parse([]byte(fnords))
	if err != nil {
		t.Fatal(err)
	}
	const exempt = "exempt/a.md"
	files := map[string]string{
		exempt:                         "fnord of old\n",
		"a.md":                         "one\nA FNORD of\nold\n\nfnord of\n\nold `fnord of old` and `fnord\nof old`\n",
		"b.md":                         "```sh\nfnord of old # fnord of old\nfnord of old\n```\nfnord of old\n",
		"c.go":                         "package c\n\n// A fnord\n// of old.\nconst fnord = \"fnord of old\" + `a\nfnord of old`\n",
		"d.rego":                       "# METADATA\n# title: fnord of old\npackage d\na := \"fnord of old\"\nb := fnord of old\n",
		"charts/x/templates/NOTES.txt": "a\nfnord of old\n",
		"charts/x/values.yaml":         "# A fnord\n# of old.\na: 1\n",
		"charts/x/Chart.lock":          "fnord of old\n",
		"other.txt":                    "fnord of old\n",
		".hidden/a.md":                 "fnord of old\n",
		"bin/a.md":                     "fnord of old\n",
	}
	tree := fstest.MapFS{}
	for path, content := range files {
		tree[path] = &fstest.MapFile{Data: []byte(content)}
	}
	const want = `a.md:2: "FNORD of old": write fnord
b.md:2: "fnord of old": write fnord
b.md:5: "fnord of old": write fnord
c.go:3: "fnord of old": write fnord
c.go:5: "fnord of old": write fnord
c.go:6: "fnord of old": write fnord
charts/x/templates/NOTES.txt:2: "fnord of old": write fnord
charts/x/values.yaml:1: "fnord of old": write fnord
d.rego:2: "fnord of old": write fnord
d.rego:4: "fnord of old": write fnord
`
	if got := checked(t, l, tree); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	delete(tree, exempt)
	if got := checked(t, l, tree); !strings.HasSuffix(got, "\"^exempt/\": write nothing: it no longer exempts a phrase\n") {
		t.Errorf("the exemption hides nothing, which is not reported:\n%s", got)
	}
}

func checked(t *testing.T, l *list, tree fstest.MapFS) string {
	t.Helper()
	found, err := l.check(tree)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// Each phrase matches its example, and what to write instead passes.
func TestPhrases(t *testing.T) {
	l, err := parse(phrases)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range l.Phrases {
		if !p.compiled.MatchString(p.Like) {
			t.Errorf("%s does not match %q", p.Pattern, p.Like)
		}
		if found := l.find("write", p.Write); len(found) > 0 {
			t.Errorf("%s: what to write is to be rewritten: %v", p.Pattern, found)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, wrong := range []string{
		"phrases: [{pattern: a, write: b}]", "phrases: [{pattern: '(', write: b, like: a}]", "exempt: [{path: a}]",
		"exempt: [{path: '(', why: a}]", "phrase: []",
	} {
		if _, err := parse([]byte(wrong)); err == nil {
			t.Errorf("accepted: %s", wrong)
		}
	}
}
