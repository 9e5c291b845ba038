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

// story is what people type in the folder with the chapter's files, and what they read.
type story struct {
	t         *testing.T
	namespace string
	// enforces tells whether what violates policies is refused.
	enforces bool
	golden.Transcript
}

// types runs a command in the namespace, as somebody, and wants it to succeed.
func (s *story) types(as *user, line string) {
	s.t.Helper()
	s.exits(0, as, line)
}

// refused runs a command that a policy is to refuse, where it is enforced.
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

// faster are what the chapter has and a test has no time for, or no registry: they wait
// for nothing that is there already, and leave all policies as satisfied as they were.
var faster = strings.NewReplacer(
	"imagePullPolicy: Always", "imagePullPolicy: IfNotPresent",
	"initialDelaySeconds: 15", "initialDelaySeconds: 1",
	"initialDelaySeconds: 30", "initialDelaySeconds: 5",
	"periodSeconds: 30", "periodSeconds: 2",
)

// chapterFiles puts the chapter's manifests, and those in testdata/story, where kubectl runs.
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

// runs waits until so many Pods with a label run and are ready, and no other has it, and
// tells what their containers were given.
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

// describe prints resources in one order.
func describe(r corev1.ResourceRequirements) string {
	if len(r.Requests) == 0 && len(r.Limits) == 0 {
		return "no resources"
	}
	return fmt.Sprintf("requests %s/%s, limits %s/%s", r.Requests.Cpu(), r.Requests.Memory(), r.Limits.Cpu(), r.Limits.Memory())
}

// counts wants every word in a text.
func counts(text string, words ...string) error {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return fmt.Errorf("nothing of %s in %q", word, text)
		}
	}
	return nil
}
