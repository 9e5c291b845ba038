package yamldoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	type piece struct {
		Line int
		Text string
	}
	tests := []struct {
		name, text string
		want       []piece
	}{
		{"nothing", "", nil},
		{"one document", "a: 1\n", []piece{{1, "a: 1\n"}}},
		{"a marker starts a document", "a: 1\n---\nb: 2", []piece{{1, "a: 1\n"}, {2, "---\nb: 2"}}},
		{"content on the marker's line", "--- {a: 1}\n--- # second\nb: 2", []piece{{1, "--- {a: 1}\n"}, {2, "--- # second\nb: 2"}}},
		{"comments and directives belong to what follows", "# c\n%YAML 1.1\n---\na: 1\n", []piece{{1, "# c\n%YAML 1.1\n---\na: 1\n"}}},
		{"empty documents", "---\n---\na: 1\n", []piece{{1, "---\n"}, {2, "---\na: 1\n"}}},
		{"an indented marker is text", "a: |\n  ---\n  b\n", []piece{{1, "a: |\n  ---\n  b\n"}}},
		{"a longer line is text", "---a\n----\n", []piece{{1, "---a\n----\n"}}},
		{"Windows line breaks", "a: 1\r\n---\r\nb: 2\r\n", []piece{{1, "a: 1\r\n"}, {2, "---\r\nb: 2\r\n"}}},
		{"an end marker", "a: 1\n...\nb: 2\n", []piece{{1, "a: 1\n...\n"}, {3, "b: 2\n"}}},
		{"a byte order mark that cat left inside", "a: 1\n\ufeff---\nb: 2\n", []piece{{1, "a: 1\n"}, {2, "\ufeff---\nb: 2\n"}}},
		{"JSON values in a row", "{\"a\":1}\n{\"b\":2}\n", []piece{{1, "{\"a\":1}"}, {1, "\n{\"b\":2}"}}},
		{"JSON values and a broken one", `{"a":1}{"b":2}{"c"`, []piece{{1, `{"a":1}`}, {1, `{"b":2}`}, {1, `{"c"`}}},
		{"flow style is not JSON", "{a: 1}\n", []piece{{1, "{a: 1}\n"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []piece
			for _, chunk := range Split([]byte(test.text)) {
				got = append(got, piece{chunk.Line, string(chunk.Data)})
				if !strings.HasPrefix(test.text[chunk.Start:], string(chunk.Data)) {
					t.Errorf("%q does not start at %d", chunk.Data, chunk.Start)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParse(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"what kubectl reads", "a: yes\nb: 0644\nc: 1.0\nd: 1e3\ne: 2026-01-01\nf: ~\n1: one\n", `{"1":"one","a":true,"b":420,"c":1,"d":1000,"e":"2026-01-01","f":null}`},
		{"aliases", "a: &x {k: [1]}\nb: *x\n", `{"a":{"k":[1]},"b":{"k":[1]}}`},
		{"merge keys", "a: &x {k: 1, l: 1}\nb:\n  <<: *x\n  k: 2\n", `{"a":{"k":1,"l":1},"b":{"k":2,"l":1}}`},
		{"JSON", `{"a": [true, null, 9223372036854775807]}`, `{"a":[true,null,9223372036854775807]}`},
		{"a byte order mark", "\ufeffa: 1\n", `{"a":1}`},
		{"nothing", "", `null`},
		{"a lone byte order mark", "\ufeff", `null`},
		{"comments", "# nothing\n", `null`},
		{"a marker", "---\n", `null`},
		{"null", "--- null\n", `null`},
		{"text", "hello\n", `"hello"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			doc, err := Parse(Chunk{Line: 1, Data: []byte(test.text)})
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(doc.Value)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// bomb returns a document that doubles at every level: 2^levels scalars.
func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 x\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	return b.String()
}

// The chunk begins on line 10, and every text has the word hunter where a secret might be.
func TestParseErrors(t *testing.T) {
	tests := []struct {
		name, text string
		want       Error
	}{
		{"indentation", "a:\n  b: hunter\n c: hunter\n", Error{Line: 11, Reason: "is not valid YAML: did not find expected key"}},
		{"a colon too many", "a: hunter: hunter\n", Error{Line: 10, Reason: "is not valid YAML: mapping values are not allowed in this context"}},
		{"an unknown anchor", "data:\n  password: *hunter\n", Error{Line: 10, Reason: "is not valid YAML: an alias (*name) has no anchor (&name) above it"}},
		{"a tab", "a:\n\tb: hunter\n", Error{Line: 11, Reason: "is not valid YAML: the line is indented with a tab, and YAML takes spaces only"}},
		{"a tab after spaces", "a:\n  b: 1\n  \thunter: 1\n", Error{Line: 12, Reason: "is not valid YAML: the line is indented with a tab, and YAML takes spaces only"}},
		{"a character that is no tab", "a:\n  b: @hunter\n", Error{Line: 11, Reason: "is not valid YAML: found character that cannot start any token"}},
		{"a list merged", "a: &x [hunter]\nb:\n  <<: *x\n", Error{Line: 12, Field: "b.<<", Reason: "only a map can be merged here, not a list or a string"}},
		{"text merged", "b:\n  <<: hunter\n", Error{Line: 11, Field: "b.<<", Reason: "only a map can be merged here, not a list or a string"}},
		{"an object without its marker", "apiVersion: v1\nkind: A\napiVersion: v1\n", Error{Line: 12, Field: "apiVersion", Reason: `this key is in the same map twice, first 2 lines above: if another object begins here, put "---" on a line of its own above it`, Lenient: true}},
		{"a quote left open", "a: \"hunter\nb: 1\n", Error{Line: 12, Reason: "is not valid YAML: found unexpected end of stream"}},
		{"an unknown tag handle", "a: !hunter!x y\n", Error{Line: 10, Reason: "is not valid YAML: found undefined tag handle"}},
		{"broken JSON", `{"a": "hunter"`, Error{Line: 10, Reason: "is not valid YAML: did not find expected ',' or '}'"}},
		{"a template", "a: {{ .Values.hunter }}\n", Error{Line: 10, Field: "a", Reason: `a key must be a string, a number or a boolean ("{{" looks like a template: render it first, as in helm template … | taffrail check -)`}},
		{"a key given twice", "a:\n  b: hunter\n  c: 1\n  b: hunter\n", Error{Line: 13, Field: "a.b", Reason: "this key is in the same map twice, first 2 lines above", Lenient: true}},
		{"a key given twice in a list", "a: [{b: 1, b: 2}]\n", Error{Line: 10, Field: "a[0].b", Reason: "this key is in the same map twice, first on the same line", Lenient: true}},
		{"a map as a key", "{hunter: 1}: x\n", Error{Line: 10, Reason: "a key must be a string, a number or a boolean"}},
		{"an empty key", "a:\n  : hunter\n", Error{Line: 10, Reason: "is not valid YAML: did not find expected key"}},
		{"infinity", "a: .inf\nb: hunter", Error{Line: 10, Field: "a", Reason: "JSON has neither infinite numbers nor NaN: quote it if it is a string"}},
		{"not a number", "a: 1\nb: [.NaN]\n", Error{Line: 11, Field: "b[0]", Reason: "JSON has neither infinite numbers nor NaN: quote it if it is a string"}},
		{"binary", "a: !!binary hunter!\n", Error{Line: 10, Reason: "contains a value that JSON cannot represent"}},
		{"an anchor inside itself", "a: &x [*x, hunter]\n", Error{Line: 10, Field: "a[0]", Reason: "an anchor contains itself"}},
		{"an alias bomb", bomb(40), Error{Line: 10, Reason: "is larger than 64 MiB with its aliases written out", Lenient: true}},
		{"a small alias bomb", bomb(16), Error{Line: 10, Reason: "consists mostly of aliases"}},
		{"an alias bomb of keys", "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("{*a : 1},", 100) + "]\n", Error{Line: 11, Reason: "is larger than 64 MiB with its aliases written out", Lenient: true}},
		{"depth", "a: " + strings.Repeat("[", 1500) + strings.Repeat("]", 1500), Error{Line: 10, Reason: "is nested deeper than 1000 levels", Lenient: true}},
		{"absurd depth", strings.Repeat("[", 100000), Error{Line: 10, Reason: "is not valid YAML: exceeded max depth of 10000"}},
		{"UTF-16", "\xff\xfea\x00", Error{Line: 10, Reason: "the text is UTF-16: save it as UTF-8", Lenient: true}},
		{"no text", "a: \x00\n", Error{Line: 10, Reason: "is not valid YAML: control characters are not allowed"}},
		{"a document after an exotic line break", "a: 1\r---\rb: hunter\r", Error{Line: 11, Reason: `another document begins here: put "---" on a line of its own above it`, Lenient: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(Chunk{Line: 10, Data: []byte(test.text)})
			got := new(Error)
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), "hunter") {
				t.Errorf("the error quotes the document: %v", err)
			}
		})
	}
}

func TestTemplateHint(t *testing.T) {
	_, err := Parse(Chunk{Line: 1, Data: []byte("a: 1\n{{ if .Values.x }}\nb: 2\n")})
	if err == nil || !strings.Contains(err.Error(), "render it first") {
		t.Errorf("got %v", err)
	}
}

func TestLineOf(t *testing.T) {
	doc, err := Parse(Chunk{Line: 5, Data: []byte(`---
# a comment
kind: List
base: &base
  inner: 1
items:
- {a: 1}

- name: x
  labels:
    some.dotted/key: y
  alias: *base
`)})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"": 7, "kind": 7, "items": 10, "items[0]": 11, "items[0].a": 11, "items[1]": 13, "items[1].labels": 14,
		"items[1].labels[some.dotted/key]": 15, "items[1].alias": 16, "items[1].alias.inner": 9,
		"items[1].missing": 13, "items[7].name": 10, "items.1.labels": 14, "missing": 7, ".items[1]": 13,
	} {
		if got := doc.LineOf(path); got != want {
			t.Errorf("LineOf(%q) = %d, want %d", path, got, want)
		}
	}
}

func TestADocumentOfNothingIsWhereItsMarkerIs(t *testing.T) {
	for _, text := range []string{"---", "---\n", "--- null", "---\n# nothing\n"} {
		doc, err := Parse(Chunk{Line: 7, Data: []byte(text)})
		if err != nil || doc.Line != 7 || doc.LineOf("a") != 7 {
			t.Errorf("%q: got %+v, %v", text, doc, err)
		}
	}
}
