//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	olderVersion = "0.0.1"
	// partOf is the label of the CRDs, which helm does not delete.
	partOf = "app.kubernetes.io/part-of=taffrail"
)

// An older version is installed from its package, upgraded and uninstalled under continuous load, without a
// failed request.
func TestUpgradeAndUninstall(t *testing.T) {
	removeEverything(t)
	old := packageOlder(t)
	repository, _ := splitImage(world.image)
	older := repository + ":" + olderVersion + "-e2e"
	_, err := output(t.Context(), "docker", "tag", world.image, older)
	must(t, err)
	must(t, world.cluster.load(t.Context(), older))
	namespace(t, shop)
	load := startGoodLoad(t, shop)
	helm(t, installCommand(old, "eks", "image.tag="+olderVersion+"-e2e")...)
	settled(t)
	load.more(t, 2*writesPerSecond)
	// Before the first replica has started, failurePolicy Fail refuses requests, so unharmed would fail.
	load.end(t, "first installation")
	if column := reasonColumn(t); column != "" {
		t.Fatalf("the CRD of the older version has what it should lack: %s", column)
	}

	load = startLoad(t, shop)
	install(t, "eks")
	load.more(t, 2*writesPerSecond)
	load.unharmed(t, "upgrade of CRDs and image")
	for _, pod := range mustReplicas(t, 3) {
		if got := pod.Spec.Containers[0].Image; got != world.image {
			t.Errorf("Pod %s runs %s", pod.Name, got)
		}
	}
	// Helm does not update the CRDs of a chart; a hook of the chart does.
	if reasonColumn(t) == "" {
		t.Error("the CRD is still that of the older version")
	}
	if kept := kubectl(t, world.admin, "get guardrail ours --output=name"); !strings.Contains(kept, "ours") {
		t.Errorf("a Guardrail of the user's is gone: %s", kept)
	}

	load = startGoodLoad(t, shop)
	uninstall(t)
	unregistered(t)
	load.more(t, 2*writesPerSecond)
	load.unharmed(t, "uninstall")
	if err := letsIn(t.Context()); err != nil {
		t.Errorf("a violating Pod, with nobody to refuse it: %v", err)
	}
	kubectl(t, world.admin, "label namespace "+shop+" left=alone")
	for _, kinds := range []string{
		"clusterroles,clusterrolebindings,validatingwebhookconfigurations,mutatingwebhookconfigurations,priorityclasses",
		"all,secrets,configmaps,serviceaccounts,roles,rolebindings,poddisruptionbudgets,networkpolicies --namespace=" + systemNamespace,
	} {
		// Helm does not wait for Pods, which drain.
		eventually(t, "nothing to be left behind", func(ctx context.Context) error {
			left, err := world.kubectl(ctx, world.admin, "get --output=name --selector=app.kubernetes.io/instance="+release+" "+kinds)
			if text := strings.TrimSpace(left.text); err == nil && text != "" && !strings.HasPrefix(text, "No resources found") {
				err = errors.New(text)
			}
			return err
		})
	}

	// On purpose: objects of users stay until the users delete them.
	kubectl(t, world.admin, "get guardrail ours")
	kubectl(t, world.admin, "delete crd --selector="+partOf)
	if left := kubectl(t, world.admin, "get crd --output=name"); strings.Contains(left, "taffrail.dev") {
		t.Errorf("left are:\n%s", left)
	}
}

// removeEverything removes all of Taffrail from the cluster.
func removeEverything(t *testing.T) {
	t.Helper()
	helm(t, "uninstall", release, "--namespace="+systemNamespace, "--ignore-not-found", "--wait", "--timeout=4m")
	unregistered(t)
	kubectl(t, world.admin, "delete crd --ignore-not-found --selector="+partOf)
	kubectl(t, world.admin, "delete namespace --ignore-not-found "+systemNamespace)
}

// packageOlder packages the chart as if it were an older version: with a CRD that lacks later columns, and with a
// Guardrail that must be preserved.
func packageOlder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "taffrail")
	must(t, os.CopyFS(folder, os.DirFS(chartFolder())))
	crd := filepath.Join(folder, "crds/taffrail.dev_guardrails.yaml")
	content, err := os.ReadFile(crd)
	must(t, err)
	older, err := withoutColumns(content)
	must(t, err)
	must(t, os.WriteFile(crd, older, 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "templates/ours.yaml"), []byte(`apiVersion: taffrail.dev/v1alpha1
kind: Guardrail
metadata: {name: ours, annotations: {helm.sh/resource-policy: keep}}
spec: {mode: audit, policies: [{name: image-tag}]}
`), 0o600))
	dir := t.TempDir()
	helm(t, "package", folder, "--version="+olderVersion, "--app-version="+olderVersion, "--destination="+dir)
	return filepath.Join(dir, "taffrail-"+olderVersion+".tgz")
}

// withoutColumns removes the additional printer columns from a CRD.
func withoutColumns(crd []byte) ([]byte, error) {
	var object map[string]any
	if err := yaml.Unmarshal(crd, &object); err != nil {
		return nil, err
	}
	spec, _ := object["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	if len(versions) == 0 {
		return nil, errors.New("the CRD has no versions")
	}
	for _, version := range versions {
		if v, ok := version.(map[string]any); ok {
			delete(v, "additionalPrinterColumns")
		}
	}
	older, err := yaml.Marshal(object)
	if err == nil && bytes.Contains(older, []byte("additionalPrinterColumns")) {
		err = fmt.Errorf("they are still there:\n%s", older)
	}
	return older, err
}

// reasonColumn returns the JSON path of the column Reason in the CRD of Guardrails.
func reasonColumn(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(kubectl(t, world.admin, "get crd guardrails.taffrail.dev --output",
		`jsonpath={.spec.versions[0].additionalPrinterColumns[?(@.name=="Reason")].jsonPath}`))
}
