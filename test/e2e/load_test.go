//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"taffrail.dev/test/harness"
)

const (
	// writers send writesPerSecond together, which matches the deployments of a busy cluster and does not
	// overload a machine with two cores.
	writers         = 4
	writesPerSecond = 40
	// retryAfter is how long a client waits before it retries a request.
	retryAfter = time.Second
	// violatingKey is a key that no ConfigMap may have.
	violatingKey = "db-password"
)

// load writes continuously, alternating between good and violating objects.
type load struct {
	namespace string
	stop      context.CancelFunc
	working   sync.WaitGroup

	mutex sync.Mutex
	tally tally
}

// closedConfigMaps sets failurePolicy Fail for ConfigMaps, for which the preset for EKS has Ignore: the load
// writes them, and no violating one may be admitted while replicas are gone.
const closedConfigMaps = "webhooks.configMaps.failurePolicy=Fail"

// write is one kind of request.
type write struct {
	violating bool
	send      func(ctx context.Context, client kubernetes.Interface, namespace string) error
}

// writes returns requests that must be admitted and requests that must be denied, alternating. Workloads are
// dry runs: they pass both webhooks, but create no Pods. A ConfigMap is created and deleted.
func writes() []write {
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	pod := func(image string) func(context.Context, kubernetes.Interface, string) error {
		return func(ctx context.Context, client kubernetes.Interface, namespace string) error {
			_, err := client.CoreV1().Pods(namespace).Create(ctx, harness.ProbePod(namespace, image), dry)
			return err
		}
	}
	deployment := func(image string) func(context.Context, kubernetes.Interface, string) error {
		return func(ctx context.Context, client kubernetes.Interface, namespace string) error {
			_, err := client.AppsV1().Deployments(namespace).Create(ctx, goodDeployment("web", image), dry)
			return err
		}
	}
	return []write{
		{false, pod("registry.example/app:1.0.0")},
		{true, pod("registry.example/app")},
		{false, deployment("registry.example/app:1.0.0")},
		{true, deployment("registry.example/app:latest")},
		{false, configMap("folder-name", "locationData")},
		{true, configMap(violatingKey, harness.SecretValue)},
	}
}

func configMap(key, value string) func(context.Context, kubernetes.Interface, string) error {
	return func(ctx context.Context, client kubernetes.Interface, namespace string) error {
		maps := client.CoreV1().ConfigMaps(namespace)
		created, err := maps.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "load-"}, Data: map[string]string{key: value},
		}, metav1.CreateOptions{})
		if err == nil {
			// Ignore the error: the namespace is deleted after the test.
			_ = maps.Delete(context.WithoutCancel(ctx), created.Name, metav1.DeleteOptions{})
		}
		return err
	}
}

// startLoad starts writing as Alice in a namespace where policies are enforced. It first waits for the
// enforcement, so that every later result counts.
func startLoad(t *testing.T, namespace string) *load {
	t.Helper()
	enforced(t, namespace)
	return startWriting(t, namespace, writes())
}

// startGoodLoad omits violating objects, for times without a replica to deny them.
func startGoodLoad(t *testing.T, namespace string) *load {
	t.Helper()
	var good []write
	for _, w := range writes() {
		if !w.violating {
			good = append(good, w)
		}
	}
	return startWriting(t, namespace, good)
}

func startWriting(t *testing.T, namespace string, writes []write) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{namespace: namespace, stop: stop}
	t.Cleanup(stop)
	for i := range writers {
		l.working.Go(func() {
			ticker := time.NewTicker(time.Second * writers / writesPerSecond)
			defer ticker.Stop()
			for turn := i; ; turn++ {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
					l.write(ctx, writes[turn%len(writes)])
				}
			}
		})
	}
	l.more(t, 2*writesPerSecond)
	return l
}

// write sends a request and, as clients do, retries it until it is answered.
func (l *load) write(ctx context.Context, w write) {
	// A request in progress when the load ends still counts.
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	for retries := 0; ; retries++ {
		began := time.Now()
		err := w.send(patient, world.alice.client, l.namespace)
		outcome, class := outcomeOf(w.violating, err)
		l.record(retries, attempt{began: began, ended: time.Now(), outcome: outcome, class: class})
		if outcome != failed {
			return
		}
		select {
		case <-time.After(retryAfter):
		case <-patient.Done():
			l.mutex.Lock()
			l.tally.gaveUp++
			l.mutex.Unlock()
			return
		}
	}
}

func (l *load) record(retries int, a attempt) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.tally.tried++
	l.tally.retries = max(l.tally.retries, retries)
	switch a.outcome {
	case answered:
		l.tally.answered++
	case wrong:
		l.tally.wrong = append(l.tally.wrong, a)
	case failed:
		l.tally.failed = append(l.tally.failed, a)
	}
}

func (l *load) answered() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.tally.answered
}

// more waits until n more requests were answered.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	want := l.answered() + n
	eventually(t, "more answers", func(context.Context) error {
		if got := l.answered(); got < want {
			return fmt.Errorf("%d of %d", got, want)
		}
		return nil
	})
}

// end stops writing and prints the results. It requires that no result was wrong, and that everything was
// answered in the end.
func (l *load) end(t *testing.T, scenario string) tally {
	t.Helper()
	l.stop()
	l.working.Wait()
	world.table.add(scenario, l.tally)
	t.Logf("%s: %s", scenario, l.tally)
	for _, a := range l.tally.wrong {
		t.Errorf("%s: at %s: %s", scenario, a.began.Format(time.TimeOnly), a.class)
	}
	// An answer may be lost, so also search for violating objects that were stored.
	there, err := world.admin.client.CoreV1().ConfigMaps(l.namespace).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	for i := range there.Items {
		if _, violates := there.Items[i].Data[violatingKey]; violates {
			t.Errorf("%s: ConfigMap %s was admitted, whatever the answer to its author", scenario, there.Items[i].Name)
		}
	}
	if l.tally.gaveUp > 0 {
		t.Errorf("%s: %d requests were never answered", scenario, l.tally.gaveUp)
	}
	return l.tally
}

// unharmed requires that no request failed.
func (l *load) unharmed(t *testing.T, scenario string) {
	t.Helper()
	result := l.end(t, scenario)
	for _, a := range result.failed {
		t.Errorf("%s: failed at %s after %s: %s", scenario, a.began.Format("15:04:05.000"), a.ended.Sub(a.began), a.class)
	}
}

// enforced waits until an image without a tag is denied in a namespace, and resources are filled in: until the
// API server calls Taffrail with its Guardrails in force.
func enforced(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, "Pods in "+namespace+" to be decided", func(ctx context.Context) error { return decided(ctx, namespace) })
}

func decided(ctx context.Context, namespace string) error {
	pods := world.alice.client.CoreV1().Pods(namespace)
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	if _, err := pods.Create(ctx, harness.ProbePod(namespace, "registry.example/app"), dry); !deniedBy(err) {
		return fmt.Errorf("a Pod without a tag is not refused: %w", orAdmitted(err))
	}
	filled, err := pods.Create(ctx, harness.ProbePod(namespace, "registry.example/app:1.0.0"), dry)
	if err == nil && len(filled.Spec.Containers[0].Resources.Requests) == 0 {
		err = errors.New("nothing is filled in")
	}
	return err
}

// errAdmitted is returned for a violating object that was admitted.
var errAdmitted = errors.New("admitted")

func orAdmitted(err error) error {
	if err == nil {
		return errAdmitted
	}
	return err
}

// failsClosed reports whether the API server refused a request because the webhook did not answer.
func failsClosed(err error) bool {
	return apierrors.IsInternalError(err) && calling.MatchString(err.Error())
}
