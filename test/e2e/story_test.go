//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/test/golden"
	"taffrail.dev/test/harness"
)

// story records what users type in the folder with the chapter's files, and what they read.
type story struct {
	t         *testing.T
	namespace string
	// enforces reports whether violations are denied.
	enforces bool
	golden.Transcript
}

// types runs a command in the namespace as a user. It must succeed.
func (s *story) types(as *user, line string) {
	s.t.Helper()
	s.exits(0, as, line)
}

// refused runs a command that a policy must deny where it is enforced.
func (s *story) refused(as *user, line string) {
	s.t.Helper()
	if s.enforces {
		s.exits(1, as, line)
	} else {
		s.exits(0, as, line)
	}
}

func (s *story) exits(code int, as *user, line string) {
	s.t.Helper()
	out := exits(s.t, code, as, nil, "--namespace="+s.namespace+" "+line)
	s.Command(as.name, "kubectl "+line, out)
}

// faster replaces values of the chapter that would take a test too long, or need a registry. The replacements
// satisfy the same policies.
var faster = strings.NewReplacer(
	"imagePullPolicy: Always", "imagePullPolicy: IfNotPresent",
	"initialDelaySeconds: 15", "initialDelaySeconds: 1",
	"initialDelaySeconds: 30", "initialDelaySeconds: 5",
	"periodSeconds: 30", "periodSeconds: 2",
)

// chapterFiles copies the chapter's manifests, and those in testdata/story, to kubectl's working directory.
func chapterFiles(t *testing.T) {
	t.Helper()
	manifests, err := harness.Chapter(world.root)
	must(t, err)
	for _, manifest := range manifests {
		must(t, os.WriteFile(filepath.Join(world.dir, manifest.File), []byte(faster.Replace(string(manifest.Content))), 0o600))
	}
	for _, name := range []string{"plain.yaml", "limits.yaml", "batch-secret.yaml"} {
		content, err := os.ReadFile(filepath.Join("testdata/story", name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(world.dir, name), content, 0o600))
	}
}

// runs waits until exactly n Pods with a label exist and are ready, and records the resources of their
// containers.
func (s *story) runs(n int, app, image string) {
	s.t.Helper()
	var given string
	eventually(s.t, fmt.Sprintf("%d Pods of %s", n, app), func(ctx context.Context) error {
		list, err := world.admin.client.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + app})
		if err != nil {
			return err
		}
		if len(list.Items) != n {
			return fmt.Errorf("there are %d", len(list.Items))
		}
		all := map[string]bool{}
		for i := range list.Items {
			pod := &list.Items[i]
			if !ready(pod) {
				return fmt.Errorf("Pod %s is not ready: %s", pod.Name, pod.Status.Phase)
			}
			if got := pod.Spec.Containers[0].Image; !strings.HasSuffix(got, image) {
				return fmt.Errorf("Pod %s runs %s", pod.Name, got)
			}
			given = describe(pod.Spec.Containers[0].Resources)
			all[given] = true
		}
		if len(all) != 1 {
			return fmt.Errorf("they were given %v", all)
		}
		return nil
	})
	s.Note("%d Pods of %s run %s with %s", n, app, image, given)
}

// completes waits until a Job is done.
func (s *story) completes(job string) {
	s.t.Helper()
	eventually(s.t, "Job "+job, func(ctx context.Context) error {
		now, err := world.admin.client.BatchV1().Jobs(s.namespace).Get(ctx, job, metav1.GetOptions{})
		if err == nil && now.Status.Succeeded != 1 {
			err = fmt.Errorf("not done: %+v", now.Status)
		}
		return err
	})
	pods, err := world.admin.client.CoreV1().Pods(s.namespace).List(s.t.Context(), metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + job})
	must(s.t, err)
	s.Note("Job %s is done, with %s", job, describe(pods.Items[0].Spec.Containers[0].Resources))
}

// describe returns resources in a fixed order.
func describe(r corev1.ResourceRequirements) string {
	if len(r.Requests) == 0 && len(r.Limits) == 0 {
		return "no resources"
	}
	return fmt.Sprintf("requests %s/%s, limits %s/%s", r.Requests.Cpu(), r.Requests.Memory(), r.Limits.Cpu(), r.Limits.Memory())
}

// counts requires every word to occur in a text.
func counts(text string, words ...string) error {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return fmt.Errorf("nothing of %s in %q", word, text)
		}
	}
	return nil
}
