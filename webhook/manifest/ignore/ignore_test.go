package ignore

import (
	"errors"
	"strings"
	"testing"
)

// Each pattern was checked with git check-ignore, which does not support "./" and counts bytes where this
// counts characters.
func TestMatch(t *testing.T) {
	tests := []struct {
		patterns string
		// The paths that are excluded, and those that are not. Folders end in a slash.
		out, in string
	}{
		{"values.yaml", "values.yaml a/b/values.yaml values.yaml/", "values.yml xvalues.yaml"},
		{"/values.yaml", "values.yaml", "a/values.yaml"},
		{"a/b.yaml", "a/b.yaml", "x/a/b.yaml"},
		{"charts/", "charts/ a/charts/", "charts"},
		{"*.json", "a.json a/b.json", "a.json5"},
		{"a/*.json", "a/b.json", "a/b/c.json"},
		{"**/cases", "cases a/b/cases", "xcases"},
		{"a/**", "a/b a/b/c", "a"},
		{"a/**/b", "a/b a/x/b a/x/y/b", "a/xb"},
		{"a**b", "ab axb", "a/b"},
		{"a?.yaml", "ab.yaml", "a.yaml a/.yaml"},
		{"[ab].yaml", "a.yaml b.yaml", "c.yaml"},
		{"[!a-c].yaml", "d.yaml", "a.yaml b.yaml"},
		{"[]x].yaml", "].yaml x.yaml", "a.yaml"},
		{`\#a`, "#a", "a"},
		{`\!a`, "!a", "a"},
		{"# a comment\n\n  \nb", "b", "a"},
		{"a  ", "a", "b"},
		{"*.yaml\n!keep.yaml", "a.yaml", "keep.yaml a/keep.yaml"},
		{"!keep.yaml\n*.yaml", "keep.yaml", "b"},
		{"ü?.yaml", "üä.yaml", "ü.yaml"},
		{"a.b+c", "a.b+c", "axb+c a.bb"},
		{"./a", "a", "b/a"},
		{"a\r\nb\r\n", "a b", "c"},
	}
	for _, test := range tests {
		patterns, err := Parse(test.patterns, "/base")
		if err != nil {
			t.Errorf("%q: %v", test.patterns, err)
		}
		for want, paths := range map[bool]string{true: test.out, false: test.in} {
			for path := range strings.FieldsSeq(paths) {
				name, isDir := strings.CutSuffix(path, "/")
				if got := patterns.Match("/base/"+name, isDir); got != want {
					t.Errorf("%q leaves out %s: %t, want %t", test.patterns, path, got, want)
				}
				if patterns.Match("/other/"+name, isDir) {
					t.Errorf("%q leaves out %s in another folder", test.patterns, path)
				}
			}
		}
	}
}

func TestAPatternThatCannotBeRead(t *testing.T) {
	_, err := Parse("a\n[b\n", "/")
	if syntax := new(SyntaxError); !errors.As(err, &syntax) || syntax.Line != 2 || syntax.Pattern != "[b" {
		t.Errorf("got %v", err)
	}
}
