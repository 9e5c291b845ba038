package replay_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

// library loads the policies once.
var library = sync.OnceValues(func() (*rego.Catalog, error) { return rego.Load(policies.FS) })

// snapshot compiles a Guardrail that enforces policies everywhere.
func snapshot(tb testing.TB, policy ...string) *config.Snapshot {
	tb.Helper()
	return selecting(tb, v1alpha1.ModeEnforce, policy...)
}

func selecting(tb testing.TB, mode v1alpha1.Mode, policy ...string) *config.Snapshot {
	tb.Helper()
	catalog, err := library()
	if err != nil {
		tb.Fatal(err)
	}
	g := v1alpha1.Guardrail{Spec: v1alpha1.GuardrailSpec{Mode: mode}}
	g.Name = "team"
	for _, id := range policy {
		g.Spec.Policies = append(g.Spec.Policies, v1alpha1.PolicyBinding{Name: id})
	}
	s, problems, err := config.Build(tb.Context(), catalog, config.Objects{Guardrails: []v1alpha1.Guardrail{g}})
	if err != nil || len(problems) > 0 {
		tb.Fatal(err, problems)
	}
	return s
}

// log makes the events of an audit log, a second apart.
type log struct {
	t        *testing.T
	replayer *replay.Replayer
	n        int
	version  int
}

func newLog(t *testing.T, o replay.Options) *log {
	t.Helper()
	r, err := replay.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l := &log{t: t, replayer: r}
	l.record("limitranges", "LimitRange", "v1")
	l.record("resourcequotas", "ResourceQuota", "v1")
	l.record("persistentvolumeclaims", "PersistentVolumeClaim", "v1")
	l.record("autoscaling/horizontalpodautoscalers", "HorizontalPodAutoscaler", "autoscaling/v2")
	l.record("apps/replicasets", "ReplicaSet", "apps/v1")
	l.record("apps/controllerrevisions", "ControllerRevision", "apps/v1")
	l.n, l.version = 0, 100
	return l
}

// newBareLog makes a log that has had no write of any resource.
func newBareLog(t *testing.T, o replay.Options) *log {
	t.Helper()
	r, err := replay.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &log{t: t, replayer: r, version: 100}
}

// record writes an object of another namespace, so that the log is known to contain the resource.
func (l *log) record(resource, kind, version string) {
	l.t.Helper()
	object := map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": "any", "namespace": "other"}}
	l.write("create", resource, "any", object, func(e *auditlog.Event) { e.Object.Namespace, e.Completed = "other", e.Completed.Add(-time.Hour) })
}

type edit func(*auditlog.Event)

// write replays a write of an object of namespace shop. object is the one that is stored.
func (l *log) write(verb, resource, name string, object map[string]any, edits ...edit) replay.Result {
	l.t.Helper()
	l.n++
	group, resource, grouped := strings.Cut(resource, "/")
	if !grouped {
		group, resource = "", group
	}
	e := &auditlog.Event{
		Level: auditlog.LevelRequestResponse, AuditID: fmt.Sprint(l.n), Verb: verb, RequestURI: "/x", User: auditlog.User{Username: "alice"},
		Object:    auditlog.ObjectRef{APIGroup: group, APIVersion: "v1", Resource: resource, Namespace: "shop", Name: name},
		Status:    auditlog.Status{Code: 200},
		Completed: time.Date(2026, 11, 1, 8, 0, l.n, 0, time.UTC),
	}
	e.Received = e.Completed
	if verb == "create" {
		e.Status.Code = 201
	}
	if object != nil {
		l.version++
		metadata := object["metadata"].(map[string]any)
		metadata["resourceVersion"] = fmt.Sprint(l.version)
		e.ResponseObject = l.text(object)
		if verb != "patch" {
			e.RequestObject = e.ResponseObject
		}
	}
	for _, edit := range edits {
		edit(e)
	}
	return l.replayer.Write(l.t.Context(), e)
}

func (l *log) text(object any) []byte {
	l.t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		l.t.Fatal(err)
	}
	return text
}

// deployment returns a Deployment whose first container has an image.
func deployment(image string) map[string]any {
	pod := map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "web"}}, "spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": image}}}}
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "u1"},
		"spec": map[string]any{"replicas": 1, "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}, "template": pod},
	}
}

func pod(image string) map[string]any {
	d := deployment(image)
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "p1", "labels": map[string]any{"app": "web"}},
		"spec": d["spec"].(map[string]any)["template"].(map[string]any)["spec"],
	}
}

func atLevel(level auditlog.Level) edit {
	return func(e *auditlog.Event) {
		e.Level = level
		e.ResponseObject = nil
		if level == auditlog.LevelMetadata {
			e.RequestObject = nil
		}
	}
}

func namespaceOf(l *log, labels map[string]any) {
	l.write("create", "namespaces", "shop", map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop", "labels": labels, "creationTimestamp": "2026-11-01T08:00:00Z"},
	})
}

const bad, good = "registry.example/web", "registry.example/web:1.0.0"

// want fails the test unless a write is decided with a verdict.
func want(t *testing.T, what string, r replay.Result, verdict decision.Verdict) *replay.Outcome {
	t.Helper()
	if r.Status != replay.StatusDecided {
		t.Fatalf("%s: %s (%s)", what, r.Status, r.Reason)
	}
	o := &r.Outcomes[0]
	if o.Err != nil || o.Verdict() != verdict {
		t.Fatalf("%s: %v, %s, want %s: %+v", what, o.Err, o.Verdict(), verdict, o.Validating)
	}
	return o
}

func wantStatus(t *testing.T, what string, r replay.Result, status replay.Status, reason string) {
	t.Helper()
	if r.Status != status || !strings.Contains(r.Reason, reason) {
		t.Errorf("%s: %s (%s), want %s (%s)", what, r.Status, r.Reason, status, reason)
	}
}
