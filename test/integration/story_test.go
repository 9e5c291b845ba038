package integration

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/golden"
	"taffrail.dev/test/harness"
)

// story records what Alice types, and what she reads.
type story struct {
	t         *testing.T
	namespace string
	files     harness.Files
	golden.Transcript
}

// kubectl runs a command in the namespace, which must exit with the given code.
func (s *story) kubectl(exitCode int, args ...string) {
	s.t.Helper()
	printed, err := cluster.KubectlWith(s.t.Context(), cluster.Alice, s.files, nil, append([]string{"--namespace=" + s.namespace}, args...)...)
	must(s.t, err)
	if printed.ExitCode != exitCode {
		s.t.Fatalf("kubectl %s ended with %d:\n%s", strings.Join(args, " "), printed.ExitCode, printed.Output)
	}
	s.Command("", "kubectl "+strings.Join(args, " "), s.plain(printed.Output))
}

// plain removes what differs in every run.
func (s *story) plain(text string) string {
	text = strings.ReplaceAll(text, s.namespace, "story")
	text = regexp.MustCompile(`-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b`).ReplaceAllString(text, "-xxxxxxxxxx-xxxxx")
	return regexp.MustCompile(`(["/])(bare|once)-[bcdfghjklmnpqrstvwxz2456789]{5}\b`).ReplaceAllString(text, "$1$2-xxxxx")
}

// pods waits for n Pods that are not among the old ones, and returns all Pods.
func (s *story) pods(n int, old map[types.UID]bool) map[types.UID]bool {
	s.t.Helper()
	var found map[types.UID]bool
	eventually(s.t, fmt.Sprintf("%d Pods", n), func(ctx context.Context) error {
		var list corev1.PodList
		if err := cluster.Admin.Client.List(ctx, &list, client.InNamespace(s.namespace)); err != nil {
			return err
		}
		found = map[types.UID]bool{}
		for i := range list.Items {
			if !old[list.Items[i].UID] {
				found[list.Items[i].UID] = true
			}
		}
		if len(found) != n || len(list.Items) != n {
			return fmt.Errorf("there are %d, of which %d are new", len(list.Items), len(found))
		}
		return nil
	})
	s.Note("%d Pods", n)
	return found
}

const violating = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "nginx:latest", ports: [{containerPort: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - {name: db, image: postgres, ports: [{containerPort: 5432}], env: [{name: POSTGRES_PASSWORD, value: swordfish}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: bare}
spec:
  replicas: 1
  selector: {matchLabels: {app: bare}}
  template:
    metadata: {labels: {app: bare}}
    spec:
      containers:
      - {name: main, image: busybox}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    metadata: {labels: {app: once}}
    spec:
      restartPolicy: Never
      containers:
      - {name: main, image: busybox}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        metadata: {labels: {app: nightly}}
        spec:
          restartPolicy: Never
          containers:
          - {name: main, image: busybox}
`

// A Guardrail is enforced in a namespace full of violating workloads. All of its Pods are replaced when
// deleted, edits that make nothing worse are admitted, and all others are denied with a clear message.
func TestEnforcementComesToARunningNamespace(t *testing.T) {
	t.Parallel()
	s := &story{t: t, namespace: newNamespace(t, "story", "test.taffrail.dev/late=story"), files: harness.Files{
		"violating.yaml": []byte(violating),
		"second.yaml":    []byte(`[{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "second", "image": "busybox"}}]`),
	}}
	s.Heading("Before there is any Guardrail.")
	s.kubectl(0, "apply", "-f", "violating.yaml")
	s.kubectl(0, "set", "image", "deployment/web", "web=nginx:1")
	s.pods(7, nil)

	g := lateGuardrail(t, "story")
	enforceLate(t, g, s.namespace)
	s.Heading("The Guardrail is enforced. Every Pod is deleted once, as a drain would, and comes back.")
	old := s.podsNow()
	s.kubectl(0, "delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false")
	s.pods(7, old)

	s.Heading("Edits that make nothing worse.")
	s.kubectl(0, "scale", "deployment/web", "--replicas=3")
	s.kubectl(0, "annotate", "deployment/web", "team=shop")
	s.kubectl(0, "label", "statefulset/db", "tier=data")
	s.kubectl(0, "set", "env", "deployment/web", "LOG_LEVEL=debug")
	s.kubectl(0, "rollout", "restart", "statefulset/db")
	s.kubectl(0, "patch", "cronjob/nightly", "--type=merge", "--patch", `{"spec":{"suspend":true}}`)

	s.Heading("Edits that make something worse.")
	s.kubectl(1, "set", "image", "deployment/web", "web=evil:latest")
	s.kubectl(1, "patch", "deployment/web", "--type=json", "--patch-file=second.yaml")
	s.kubectl(1, "set", "env", "deployment/web", "API_TOKEN=3f9c1b7e5a2d4680")

	s.Heading("An edit that puts something right, and a rollback from it.")
	s.kubectl(0, "set", "image", "deployment/web", "web=nginx:1.27.3")
	s.kubectl(0, "rollout", "undo", "deployment/web")
	s.kubectl(0, "rollout", "undo", "deployment/web", "--to-revision=1")
	s.kubectl(0, "create", "job", "manual", "--from=cronjob/nightly")

	s.Heading("Whoever deletes it has to put it right.")
	s.kubectl(0, "delete", "deployment/web")
	s.kubectl(1, "apply", "-f", "violating.yaml")
	s.Check(t, "testdata/story.txt")
}

func (s *story) podsNow() map[types.UID]bool {
	s.t.Helper()
	var list corev1.PodList
	must(s.t, cluster.Admin.Client.List(s.t.Context(), &list, client.InNamespace(s.namespace)))
	uids := map[types.UID]bool{}
	for i := range list.Items {
		uids[list.Items[i].UID] = true
	}
	return uids
}
