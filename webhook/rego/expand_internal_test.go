package rego

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The expected texts are those that the kubelet produces when the values are known.
func TestExpandedInput(t *testing.T) {
	entry := func(name, value string) any { return map[string]any{"name": name, "value": value} }
	elsewhere := map[string]any{"name": "S", "valueFrom": map[string]any{"secretKeyRef": map[string]any{}}}
	got := expandedInput(map[string]any{
		"env": []any{
			entry("A", "a"), entry("B", "$(A)$(A)"), entry("C", "$(B)$(C)$(D)"), entry("D", "$$(A) $$$(A) $A $ $(A"), elsewhere,
			entry("E", "$(S)$()"), "no entry", entry("A", "other"), entry("F", "$(A)"), map[string]any{"name": "G", "value": 1},
		},
		"command": []any{"$(A)", 5, "plain"},
		"args":    "no list",
	})
	want := map[string]any{
		"env":     map[string]any{"1": "aa", "2": "aa$(C)$(D)", "3": "$(A) $a $A $ $(A", "8": "other"},
		"command": map[string]any{"0": "other"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := expandedInput(map[string]any{"env": []any{entry("A", "$A $$")}, "args": []any{"a"}}); got != nil {
		t.Errorf("nothing is expanded, but got %v", got)
	}
}

// Values that keep doubling stop growing at some point, and do not hide a credential behind them.
func TestExpansionIsBounded(t *testing.T) {
	env := []any{
		map[string]any{"name": "P", "value": "only-an-example"}, map[string]any{"name": "X0", "value": strings.Repeat("x", 1000)},
	}
	for i := range 60 {
		env = append(env, map[string]any{"name": fmt.Sprintf("X%d", i+1), "value": fmt.Sprintf("$(X%d)$(X%[1]d)", i)})
	}
	env = append(env,
		map[string]any{"name": "Y", "value": strings.Repeat("$(", 1<<20)}, map[string]any{"name": "Z", "value": strings.Repeat("$(X9)", 1<<16)},
		map[string]any{"name": "DB_PASSWORD", "value": "$(P)"},
	)
	size := 0
	texts, _ := expandedInput(map[string]any{"env": env})["env"].(map[string]any)
	for _, text := range texts {
		size += len(text.(string)) //nolint:forcetypeassert // that is what it holds
	}
	if size == 0 || size > 5<<20 {
		t.Errorf("%d characters", size)
	}
	if last := texts[fmt.Sprint(len(env)-1)]; last != "only-an-example" {
		t.Errorf("got %v", last)
	}
}
