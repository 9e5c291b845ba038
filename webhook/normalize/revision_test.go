package normalize_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"taffrail.dev/webhook/normalize"
)

func TestRevisionTemplateHasDefaults(t *testing.T) {
	revision := map[string]any{"data": map[string]any{"spec": map[string]any{"template": map[string]any{
		"$patch": "replace", "spec": map[string]any{"containers": []any{map[string]any{"name": "a", "readinessProbe": map[string]any{"httpGet": map[string]any{}}}}},
	}}}}
	before := runtime.DeepCopyJSON(revision)
	want := map[string]any{"spec": map[string]any{
		"restartPolicy": "Always", "terminationGracePeriodSeconds": int64(30),
		"containers": []any{map[string]any{"name": "a", "readinessProbe": map[string]any{
			"httpGet": map[string]any{"path": "/", "scheme": "HTTP"}, "initialDelaySeconds": int64(0), "timeoutSeconds": int64(1),
			"periodSeconds": int64(10), "successThreshold": int64(1), "failureThreshold": int64(3),
		}}},
	}}
	if diff := cmp.Diff(want, normalize.RevisionTemplate(revision)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(before, revision); diff != "" {
		t.Errorf("the revision was changed:\n%s", diff)
	}
}
