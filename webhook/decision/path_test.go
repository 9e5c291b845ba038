package decision_test

import (
	"testing"

	"taffrail.dev/webhook/decision"
)

func TestWithin(t *testing.T) {
	for path, want := range map[string]bool{
		"spec.template": true, "spec.template.spec": true, "spec.template[0]": true,
		"spec.templates": false, "spec": false, "data.spec.template": false, "": false,
	} {
		if got := decision.Within(path, "spec.template"); got != want {
			t.Errorf("%q: got %v", path, got)
		}
	}
}
