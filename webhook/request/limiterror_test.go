package request_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func TestLimitErrorsSayWhatToDo(t *testing.T) {
	for _, test := range []struct{ what, kind, want string }{
		{"size", "ConfigMap", "Make the object smaller, or split it into several."},
		{"size", "Namespace", "Make the Namespace smaller."},
		{"depth", "Namespace", "Nest the object less deeply."},
		{"containers", "Pod", "Split the Pod."},
		{"exponent", "Pod", "Write quantities as in 100m or 128Mi."},
	} {
		limit := &request.LimitError{What: test.what, Request: &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: test.kind}}}
		if got := limit.Remediation(); got != test.want {
			t.Errorf("%s of a %s: got %q, want %q", test.what, test.kind, got, test.want)
		}
	}
	if (&request.LimitError{What: "size"}).Remediation() == "" {
		t.Error("there is nothing to do about an object that nothing is known of")
	}
}
