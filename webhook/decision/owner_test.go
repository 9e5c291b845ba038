package decision_test

import (
	"testing"

	"taffrail.dev/webhook/decision"
)

func TestOwner(t *testing.T) {
	object := func(field string, values map[string]any) map[string]any {
		return map[string]any{"metadata": map[string]any{field: values}}
	}
	namespace := &decision.Namespace{Labels: map[string]string{"team": "of-namespace"}, Annotations: map[string]string{"owner": "annotated", "team": "other"}}
	for name, test := range map[string]struct {
		object map[string]any
		want   string
	}{
		"the first label that it has":    {object("labels", map[string]any{"team": "b", "owner": "a"}), "a"},
		"an annotation":                  {object("annotations", map[string]any{"team": "a"}), "a"},
		"an empty label":                 {object("labels", map[string]any{"owner": "", "team": "a"}), "a"},
		"a label of another type":        {object("labels", map[string]any{"owner": 1}), "of-namespace"},
		"only the label of a namespace":  {nil, "of-namespace"},
		"labels that are not an object":  {map[string]any{"metadata": map[string]any{"labels": "owner"}}, "of-namespace"},
		"a label that nobody configured": {object("labels", map[string]any{"app": "web"}), "of-namespace"},
	} {
		request := &decision.Request{Object: test.object}
		if got := request.Owner(decision.DefaultOwnerLabels(), namespace); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if got := (&decision.Request{}).Owner([]string{"owner"}, namespace); got != "annotated" {
		t.Errorf("only an annotation of the namespace: %q", got)
	}
	if got := (&decision.Request{}).Owner(nil, namespace); got != "" {
		t.Errorf("without labels: %q", got)
	}
}
