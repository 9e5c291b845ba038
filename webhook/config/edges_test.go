package config

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Each limit on parameters applies exactly at its boundary.
func TestSizesOfParametersAtTheirEdge(t *testing.T) {
	items := func(n int) any { return make([]any, n) }
	members := func(n int) any {
		all := map[string]any{}
		for i := range n {
			all[fmt.Sprint(i)] = true
		}
		return all
	}
	nested := func(depth int, wrap func(any) any) any {
		var value any = true
		for range depth {
			value = wrap(value)
		}
		return value
	}
	inList := func(value any) any { return []any{value} }
	inMap := func(value any) any { return map[string]any{"a": value} }
	text := func(n int) string { return strings.Repeat("x", n) }
	for name, test := range map[string]struct {
		value any
		want  string // the field, or "" for no error
	}{
		"a text":            {text(MaxText), ""},
		"a longer text":     {text(MaxText + 1), "p"},
		"a list":            {items(MaxItems), ""},
		"a longer list":     {items(MaxItems + 1), "p"},
		"a map":             {members(MaxItems), ""},
		"a larger map":      {members(MaxItems + 1), "p"},
		"a name":            {map[string]any{text(MaxText): 1}, ""},
		"a longer name":     {map[string]any{text(MaxText + 1): 1}, "p"},
		"a name among many": {map[string]any{text(MaxText + 1): 1, "z": text(MaxText + 1)}, "p,p.z"},
		"deep":              {nested(maxDepth, inList), ""},
		"deeper":            {nested(maxDepth+1, inList), "p" + strings.Repeat("[0]", maxDepth+1)},
		"deep maps":         {nested(maxDepth, inMap), ""},
		"deeper maps":       {nested(maxDepth+1, inMap), "p" + strings.Repeat(".a", maxDepth+1)},
		"in a list":         {[]any{"a", text(MaxText + 1)}, "p[1]"},
		"in a map":          {map[string]any{"a": text(MaxText + 1)}, "p.a"},
		"numbers":           {[]any{1, 2.5, nil, true}, ""},
	} {
		var got []string
		for _, err := range checkSize(test.value, field.NewPath("p")) {
			got = append(got, err.Field)
		}
		if strings.Join(got, ",") != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// A name is near if at most a third of its letters differ, or two letters of a short one.
func TestWhatIsNear(t *testing.T) {
	for word, want := range map[string]string{
		"image-tag": "image-tag", "Image-Tag": "image-tag", "imagetag": "image-tag", "iimage-tagg": "image-tag",
		"image-tagxxx": "image-tag", "xxxximage-tag": "image-tag", "xxxxximage-tag": "", "imagxxxxx": "",
		"im": "", "job": "jobs", "jab": "jobs", "jxb": "jobs", "xxb": "", "": "",
		"probes": "probe", "require-probes": "require-probe",
	} {
		if got := Nearest(word, []string{"image-tag", "jobs", "probe", "require-probe"}); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
	if got := Nearest("abc", []string{"abd", "abe"}); got != "abd" {
		t.Errorf("of two that are equally near, %s wins", got)
	}
}
