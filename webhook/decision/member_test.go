package decision_test

import (
	"testing"

	"taffrail.dev/webhook/decision"
)

func TestValuesOfObjects(t *testing.T) {
	object := map[string]any{"a": map[string]any{"b": "text", "n": int64(1)}, "list": []any{"x"}}
	if got := decision.ValueAt(object, "a", "n"); got != int64(1) {
		t.Errorf("got %v", got)
	}
	if got := decision.MapAt(object, "a"); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	if got := decision.StringAt(object, "a", "b"); got != "text" {
		t.Errorf("got %q", got)
	}
	for _, path := range [][]string{{"c"}, {"a", "b", "c"}, {"list", "0"}, {"a", "n", "x"}} {
		if value, m, text := decision.ValueAt(object, path...), decision.MapAt(object, path...), decision.StringAt(object, path...); value != nil || m != nil || text != "" {
			t.Errorf("%v: got %v, %v, %q", path, value, m, text)
		}
	}
	if decision.ValueAt(nil, "a") != nil || decision.MapAt(object, "list") != nil || decision.StringAt(object, "a", "n") != "" {
		t.Error("a value of another type is returned")
	}
}
