package integration

import (
	"strings"
	"testing"

	"taffrail.dev/test/harness"
)

// kubectl prints the denial without any decoration, and fails, so that scripts notice.
func TestKubectlPrintsTheDenial(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "kubectl", enforced)
	manifest := []byte(`apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}, annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: web, image: nginx}]}
`)
	const command = "create -f web.yaml -n "
	printed, err := cluster.KubectlWith(t.Context(), cluster.Alice, harness.Files{"web.yaml": manifest}, nil,
		strings.Fields(command+namespace)...)
	must(t, err)
	start := `Error from server (Forbidden): error when creating "web.yaml": admission webhook "validate.taffrail.dev" denied the request: Pod ` +
		namespace + "/web is denied by 1 policy:\n- image-tag, container \"web\": "
	if printed.ExitCode != 1 || !strings.HasPrefix(printed.Output, start) {
		t.Errorf("exit code %d:\n%s", printed.ExitCode, printed.Output)
	}

	printed, err = cluster.KubectlWith(t.Context(), cluster.Alice, nil, manifest, "create", "--dry-run=client", "-o", "name", "-f", "-")
	must(t, err)
	if printed.ExitCode != 0 || printed.Output != "pod/web\n" {
		t.Errorf("from its standard input, exit code %d:\n%s", printed.ExitCode, printed.Output)
	}
	printed, err = cluster.Kubectl(t.Context(), cluster.Alice, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
	must(t, err)
	if printed.ExitCode != 0 || printed.Output != "alice" {
		t.Errorf("as nobody that was asked for, exit code %d:\n%s", printed.ExitCode, printed.Output)
	}
}
