package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

var (
	taken      = map[string]int{}
	takenMutex sync.Mutex
)

// unique returns the name, with a number appended if the test runs repeatedly (-count).
func unique(name string) string {
	takenMutex.Lock()
	defer takenMutex.Unlock()
	taken[name]++
	if n := taken[name]; n > 1 {
		return fmt.Sprintf("%s-%d", name, n)
	}
	return name
}

// newNamespace creates a namespace with labels given as key=value.
func newNamespace(t *testing.T, name string, labels ...string) string {
	t.Helper()
	name = unique(name)
	must(t, cluster.Namespace(t.Context(), name, labelMap(labels)))
	return name
}

func labelMap(labels []string) map[string]string {
	m := map[string]string{}
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		m[key] = value
	}
	return m
}

const (
	enforced   = modeLabel + "=enforce"
	warned     = modeLabel + "=warn"
	audited    = modeLabel + "=audit"
	restricted = "taffrail.dev/exposure=restricted"
)

// servedBy returns the label that assigns a namespace to a registration other than the main one.
func servedBy(registration string) string { return harness.ServerLabel + "=" + registration }

// putGuardrail creates a Guardrail for the duration of the test, which must be in force completely.
func putGuardrail(t *testing.T, g *v1alpha1.Guardrail) {
	t.Helper()
	t.Cleanup(func() {
		if err := cluster.DeleteGuardrail(context.Background(), g.Name); err != nil { //nolint:usetesting // it has ended
			t.Error(err)
		}
	})
	condition, err := cluster.PutGuardrail(t.Context(), g)
	must(t, err)
	if condition.Status != "True" || condition.Reason != v1alpha1.ReasonCompiled {
		t.Fatalf("Guardrail %s: %+v", g.Name, condition)
	}
}

// register registers a server for the namespaces labeled servedBy(r.Name).
func register(t *testing.T, r harness.Registration) {
	t.Helper()
	t.Cleanup(func() {
		if err := cluster.Unregister(context.Background(), r.Name); err != nil { //nolint:usetesting // it has ended
			t.Error(err)
		}
	})
	must(t, cluster.Register(t.Context(), r))
}

// newServer starts a server for this test only.
func newServer(t *testing.T, o harness.ServerOptions) *harness.Server {
	t.Helper()
	o.Name = unique(o.Name)
	server, err := cluster.NewServer(t.Context(), o)
	must(t, err)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// admit requires that a write was admitted.
func admit(t *testing.T, what string, answer *harness.Answer) *harness.Answer {
	t.Helper()
	if answer.Err != nil {
		t.Fatalf("%s: %v", what, answer.Err)
	}
	return answer
}

// deny requires that a policy denied a write, and returns the message.
func deny(t *testing.T, what string, answer *harness.Answer) string {
	t.Helper()
	words, denied := answer.Denied()
	if !denied {
		t.Fatalf("%s: want a denial, got %v, warnings %q", what, answer.Err, answer.Warnings)
	}
	return words
}

// eventually polls until look returns nil.
func eventually(t *testing.T, what string, look func(ctx context.Context) error) {
	t.Helper()
	must(t, harness.Eventually(t.Context(), what, look))
}

// annotations returns what Taffrail wrote to the audit log about a write.
func annotations(t *testing.T, answer *harness.Answer) map[string]string {
	t.Helper()
	event, err := cluster.AuditedAnswer(t.Context(), answer)
	must(t, err)
	return ours(event)
}

func ours(event *harness.AuditEvent) map[string]string {
	found := map[string]string{}
	for key, value := range event.Annotations {
		if webhook, _, annotated := strings.Cut(key, "/"); annotated && strings.HasSuffix(webhook, ".taffrail.dev") {
			found[key] = value
		}
	}
	return found
}

// chapter returns one of the chapter's manifests, for a namespace.
func chapter(t *testing.T, prefix, namespace string) client.Object {
	t.Helper()
	object, err := harness.ChapterManifest(cluster.Root, prefix)
	must(t, err)
	object.SetNamespace(namespace)
	return object
}

// batch returns the chapter's CronJob, plus what it needs to comply: a label, and a concurrencyPolicy.
func batch(t *testing.T, namespace string) client.Object {
	t.Helper()
	object, err := harness.ChapterManifest(cluster.Root, "43_cronjob")
	must(t, err)
	object.SetNamespace(namespace)
	for value, path := range map[string][]string{
		"batch-app": {"spec", "jobTemplate", "spec", "template", "metadata", "labels", "app"},
		"Forbid":    {"spec", "concurrencyPolicy"},
	} {
		must(t, unstructured.SetNestedField(object.Object, value, path...))
	}
	return object
}

func diff(want, got any) string { return cmp.Diff(want, got) }

func jsonOf(value any) (string, error) {
	encoded, err := json.Marshal(value)
	return string(encoded), err
}

// tolerated returns nil if a write was admitted only because a violation is tolerated.
func tolerated(answer *harness.Answer) error {
	if answer.Err != nil {
		return answer.Err
	}
	for _, warning := range answer.Warnings {
		if strings.Contains(warning, ": tolerated: ") {
			return nil
		}
	}
	return fmt.Errorf("nothing was tolerated: %q", answer.Warnings)
}
