package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// Taffrail runs as a user with the permissions in test/harness/manifests/rbac.yaml. They are sufficient: none
// of its requests was forbidden.
func TestRightsAreEnough(t *testing.T) {
	t.Parallel()
	log, err := os.ReadFile(filepath.Join(cluster.Dir, "logs", "taffrail-main.log"))
	must(t, err)
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "is forbidden") {
			t.Error(line)
		}
	}
}

// They are also no more than sufficient.
func TestRightsAreFew(t *testing.T) {
	t.Parallel()
	for _, may := range []authorizationv1.ResourceAttributes{
		{Verb: "get", Resource: "secrets"},
		{Verb: "list", Resource: "secrets"},
		{Verb: "watch", Resource: "pods"},
		{Verb: "patch", Resource: "namespaces"},
		// Objects that a request may have been made from are read one by one, and only when needed.
		{Verb: "watch", Group: "apps", Resource: "replicasets"},
		{Verb: "update", Group: "apps", Resource: "controllerrevisions"},
		{Verb: "get", Group: "apps", Resource: "deployments"},
		{Verb: "watch", Group: "batch", Resource: "cronjobs"},
		{Verb: "watch", Group: "batch", Resource: "jobs"},
		{Verb: "patch", Group: "taffrail.dev", Resource: "guardrails"},
		{Verb: "update", Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations"},
	} {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "taffrail", ResourceAttributes: &may}}
		must(t, cluster.Admin.Client.Create(t.Context(), review))
		if review.Status.Allowed {
			t.Errorf("taffrail may %s %s", may.Verb, may.Resource)
		}
	}
}
