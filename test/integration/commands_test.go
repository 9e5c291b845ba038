package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// command runs taffrail as a user of the cluster.
func command(t *testing.T, user *harness.User, args ...string) (string, int) {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(kubeconfig, user.Kubeconfig, 0o600))
	run := exec.CommandContext(t.Context(), cluster.Binary, append(args, "--kubeconfig="+kubeconfig)...)
	output, err := run.CombinedOutput()
	if ended := new(exec.ExitError); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return string(output), run.ProcessState.ExitCode()
}

// The command that helm test runs.
func TestSelfTest(t *testing.T) {
	t.Parallel()
	said, code := command(t, cluster.Admin, "selftest")
	if code != 0 || !strings.Contains(said, "no.such.policy") || !strings.Contains(said, "Taffrail answers") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	// A user without permission gets an error about that, and not one about an outage.
	said, code = command(t, cluster.Alice, "selftest", "--timeout=1s")
	if code != 2 || !strings.Contains(said, `cannot create resource "guardrails"`) {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// The command that the chart runs before an upgrade updates older CRDs.
func TestCRDsAreApplied(t *testing.T) {
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	name := client.ObjectKey{Name: "exemptions.taffrail.dev"}
	columns := func() int {
		t.Helper()
		must(t, cluster.Admin.Client.Get(t.Context(), name, crd))
		versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
		must(t, err)
		printed, _, err := unstructured.NestedSlice(versions[0].(map[string]any), "additionalPrinterColumns")
		must(t, err)
		return len(printed)
	}
	want := columns()
	must(t, cluster.Admin.Client.Patch(t.Context(), crd, client.RawPatch("application/json-patch+json",
		[]byte(`[{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/0"}]`))))
	if got := columns(); got != want-1 {
		t.Fatalf("%d columns of %d after one was removed", got, want)
	}
	said, code := command(t, cluster.Admin, "crds", "apply")
	if code != 0 || strings.Count(said, " applied\n") != 3 {
		t.Errorf("exit code %d\n%s", code, said)
	}
	if got := columns(); got != want {
		t.Errorf("%d columns of %d", got, want)
	}
	said, code = command(t, cluster.Alice, "crds", "apply")
	if code != 2 || !strings.Contains(said, "cannot patch resource") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}
