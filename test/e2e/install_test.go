//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	release         = "taffrail"
	systemNamespace = "taffrail-system"
	// replicaLabels selects the Pods that serve.
	replicaLabels = "app.kubernetes.io/instance=" + release + ",app.kubernetes.io/component=webhook"
)

// installCommand returns the command that installs a preset, or changes an installation to it, from a chart in
// a folder or package. Presets are combined with a plus.
func installCommand(chart, preset string, sets ...string) []string {
	repository, tag := splitImage(world.image)
	args := []string{
		"upgrade", "--install", release, chart, "--namespace=" + systemNamespace, "--create-namespace",
		"--set=image.repository=" + repository + ",image.tag=" + tag, "--wait", "--timeout=4m",
	}
	for one := range strings.SplitSeq(preset, "+") {
		args = append(args, "--values="+filepath.Join(chartFolder(), "values-"+one+".yaml"))
	}
	args = append(args, "--values="+filepath.Join(world.root, "test/e2e/testdata/values.yaml"))
	for _, set := range sets {
		args = append(args, "--set="+set)
	}
	return args
}

func chartFolder() string { return filepath.Join(world.root, "charts/taffrail") }

// install installs a preset, replacing a previous installation, and waits until every replica serves.
func install(t *testing.T, preset string, sets ...string) string {
	t.Helper()
	out := helm(t, installCommand(chartFolder(), preset, sets...)...)
	settled(t)
	return out
}

// restore is install after kubectl has changed objects of the chart.
func restore(t *testing.T, preset string) {
	t.Helper()
	helm(t, append(installCommand(chartFolder(), preset), "--force-conflicts")...)
	settled(t)
}

// restoreAfterFailure restores what the next test expects.
func restoreAfterFailure(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			restore(t, "eks")
		}
	})
}

// uninstall removes what helm installed.
func uninstall(t *testing.T) string {
	t.Helper()
	return helm(t, "uninstall", release, "--namespace="+systemNamespace, "--wait", "--timeout=4m")
}

// settled waits until all replicas have the newest template and are ready.
func settled(t *testing.T) {
	t.Helper()
	eventually(t, "every replica to be ready, and none to be left over", func(ctx context.Context) error {
		deployment, err := world.admin.client.AppsV1().Deployments(systemNamespace).Get(ctx, release, metav1.GetOptions{})
		if err != nil {
			return err
		}
		want, status := *deployment.Spec.Replicas, deployment.Status
		if status.ObservedGeneration < deployment.Generation || status.UpdatedReplicas != want || status.AvailableReplicas != want {
			return fmt.Errorf("of %d replicas %d are new and %d available", want, status.UpdatedReplicas, status.AvailableReplicas)
		}
		pods, err := replicas(ctx)
		if err != nil {
			return err
		}
		if len(pods) != int(want) {
			return fmt.Errorf("%d Pods for %d replicas", len(pods), want)
		}
		for i := range pods {
			if !ready(&pods[i]) {
				return fmt.Errorf("Pod %s is not ready", pods[i].Name)
			}
		}
		return nil
	})
}

// replicas returns the Pods that serve.
func replicas(ctx context.Context) ([]corev1.Pod, error) {
	list, err := world.admin.client.CoreV1().Pods(systemNamespace).List(ctx, metav1.ListOptions{LabelSelector: replicaLabels})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// mustReplicas returns at least the given number of them, or fails.
func mustReplicas(t *testing.T, least int) []corev1.Pod {
	t.Helper()
	pods, err := replicas(t.Context())
	must(t, err)
	if len(pods) < least {
		t.Fatalf("%d replicas, want %d", len(pods), least)
	}
	return pods
}

func ready(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// unregistered requires that no webhook configuration of Taffrail exists.
func unregistered(t *testing.T) {
	t.Helper()
	eventually(t, "no webhook configuration of Taffrail's", func(ctx context.Context) error {
		registration := world.admin.client.AdmissionregistrationV1()
		validating, err1 := registration.ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
		mutating, err2 := registration.MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		for i := range validating.Items {
			if validating.Items[i].Name == release {
				return fmt.Errorf("ValidatingWebhookConfiguration %s is there", release)
			}
		}
		for i := range mutating.Items {
			if mutating.Items[i].Name == release {
				return fmt.Errorf("MutatingWebhookConfiguration %s is there", release)
			}
		}
		return nil
	})
}
