package replay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

func TestReport(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag", "inject-resources"), Exclude: replay.DefaultExclude()})
	namespaceOf(l, nil)
	c := replay.NewCollector(replay.CollectorOptions{})
	for _, r := range []replay.Result{
		l.write("create", "apps/deployments", "web", deployment(bad)),
		l.write("create", "apps/deployments", "web", deployment(bad), func(e *auditlog.Event) { e.User.Username = "bob"; e.Completed = e.Completed.Add(time.Hour) }),
		l.write("create", "apps/deployments", "fine", deployment(good)),
		l.write("create", "pods", "web", pod(good)),
		l.write("create", "secrets", "s", nil, atLevel(auditlog.LevelMetadata)),
		l.write("create", "apps/deployments", "dry", deployment(bad), func(e *auditlog.Event) { e.RequestURI = "/x?dryRun=All" }),
		l.write("create", "apps/deployments", "system", deployment(bad), func(e *auditlog.Event) { e.Object.Namespace = "kube-system" }),
		l.write("create", "coordination.k8s.io/leases", "l", nil, atLevel(auditlog.LevelMetadata)),
	} {
		c.Add(&r)
	}
	r := c.Report(&auditlog.Stats{}, 0)
	if want := (replay.Counts{Sent: 5, Deny: 2, Unknown: 1, Allow: 2, Filled: 1, NotSent: 2, DryRuns: 1}); r.Counts != want {
		t.Errorf("%+v, want %+v", r.Counts, want)
	}
	if len(r.Workloads) != 1 || r.Workloads[0].Count != 2 || strings.Join(r.Workloads[0].Writers, " ") != "alice bob" || r.Workloads[0].Last.Sub(r.Workloads[0].First) < time.Hour {
		t.Errorf("%+v", r.Workloads)
	}
	if len(r.Hours) != 2 || r.Hours[0].Deny != 1 || r.Hours[0].Unknown != 1 || r.Hours[1].Deny != 1 {
		t.Errorf("%+v", r.Hours)
	}
	if len(r.Policies) != 2 || r.Policies[0] != (replay.Group{Name: "image-tag", Deny: 2}) || r.Policies[1] != (replay.Group{Name: "inject-resources", Filled: 1}) {
		t.Errorf("%+v", r.Policies)
	}
	if len(r.Reasons) != 1 || r.Reasons[0].Count != 1 || len(r.Writers) != 2 || r.Writers[0].Name != "alice" || r.Writers[0].Deny != 1 {
		t.Errorf("%+v, %+v", r.Reasons, r.Writers)
	}
	if n := len(r.Coverage.Resources); n != 3 || r.Coverage.Resources[0].Resource != "deployments.apps" || r.Coverage.Resources[0].Writes != 4 || r.Coverage.Resources[2].Metadata != 1 || r.Coverage.OtherWrites != 2 {
		t.Errorf("%+v", r.Coverage)
	}
}

func TestReportsAreLimited(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	c := replay.NewCollector(replay.CollectorOptions{})
	for i := range 2100 {
		r := l.write("create", "apps/deployments", fmt.Sprint("web-", i), deployment(fmt.Sprint("registry.example/web", i)), func(e *auditlog.Event) { e.User.Username = fmt.Sprint("user-", i) })
		c.Add(&r)
	}
	r := c.Report(&auditlog.Stats{}, 0)
	if r.Counts.Deny != 2100 || len(r.Workloads) != 2000 || r.MoreWorkloads != 100 || len(r.Writers) != 2001 || r.Writers[0] != (replay.Group{Name: "(others)", Deny: 100}) {
		t.Errorf("%+v, %d workloads, %d more, %d writers, %+v", r.Counts, len(r.Workloads), r.MoreWorkloads, len(r.Writers), r.Writers[0])
	}
}

func TestOnlySomeWritesCount(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	since := replay.NewCollector(replay.CollectorOptions{Since: time.Date(2026, 11, 1, 8, 0, 2, 0, time.UTC)})
	inside := replay.NewCollector(replay.CollectorOptions{Namespaces: []string{"other"}})
	for _, namespace := range []string{"shop", "shop", "other", "other"} {
		r := l.write("create", "apps/deployments", "web", deployment(bad), func(e *auditlog.Event) { e.Object.Namespace = namespace })
		since.Add(&r)
		inside.Add(&r)
	}
	if n := since.Report(&auditlog.Stats{}, 0).Counts.Sent; n != 3 {
		t.Errorf("%d since", n)
	}
	if n := inside.Report(&auditlog.Stats{}, 0).Counts.Sent; n != 2 {
		t.Errorf("%d inside", n)
	}
}

// Reasons have no names, so that there are few, and what is beyond the limit is counted.
func TestReasonsAreCounted(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "limitrange-fit", "image-tag")})
	c := replay.NewCollector(replay.CollectorOptions{})
	for i := range 300 {
		r := l.write("create", "apps/deployments", "web", deployment(good), func(e *auditlog.Event) { e.Object.Namespace = fmt.Sprint("shop-", i) })
		c.Add(&r)
	}
	r := c.Report(&auditlog.Stats{}, 0)
	if len(r.Reasons) != 1 || r.Reasons[0] != (replay.Reason{Reason: "the LimitRanges of the namespace are not in the log: use --facts or --live", Count: 300}) {
		t.Errorf("%+v", r.Reasons)
	}
	c = replay.NewCollector(replay.CollectorOptions{})
	for i := range 300 {
		c.Add(&replay.Result{Event: &auditlog.Event{}, Status: replay.StatusUnknown, Reason: fmt.Sprint("reason ", i)})
	}
	reasons := c.Report(&auditlog.Stats{}, 0).Reasons
	if len(reasons) != 101 || reasons[0] != (replay.Reason{Reason: "other reasons", Count: 200}) {
		t.Errorf("%d, %+v", len(reasons), reasons[0])
	}
}

// A write that one of two configurations cannot decide is uncertain.
func TestErrorsAgainst(t *testing.T) {
	c := replay.NewCollector(replay.CollectorOptions{Against: true})
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag"), Against: snapshot(t, "image-tag")})
	r := l.write("create", "apps/deployments", "web", deployment(good))
	r.Outcomes[1] = replay.Outcome{Err: errors.New("no")}
	c.Add(&r)
	if changes := c.Report(&auditlog.Stats{}, 0).Changes; changes.Uncertain != 1 || changes.Errors != 1 {
		t.Errorf("%+v", changes)
	}
}

// A resource has what each of its writes has.
func TestCoverageOfMixedLevels(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	c := replay.NewCollector(replay.CollectorOptions{})
	for _, level := range []auditlog.Level{auditlog.LevelRequestResponse, auditlog.LevelRequestResponse, auditlog.LevelMetadata} {
		r := l.write("create", "apps/deployments", "web", deployment(good), func(e *auditlog.Event) { e.Level = level })
		c.Add(&r)
	}
	if of := c.Report(&auditlog.Stats{}, 0).Coverage.Resources[0]; of.Detail() != replay.DetailNames || !of.Mixed() || !of.Covered {
		t.Errorf("%+v", of)
	}
}

// The value of a Secret is in no report.
func TestReportsHaveNoSecrets(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "plaintext-secret", "env-credentials")})
	c := replay.NewCollector(replay.CollectorOptions{})
	secret := map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s", "namespace": "shop"}, "data": map[string]any{"password": "aHVudGVyMi1zd29yZGZpc2g="}}
	d := deployment(good)
	d["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)["env"] = []any{map[string]any{"name": "DB_PASSWORD", "value": "hunter2-swordfish"}}
	for _, r := range []replay.Result{l.write("create", "secrets", "s", secret), l.write("create", "apps/deployments", "web", d)} {
		if r.Outcomes[0].Verdict() != decision.VerdictDeny {
			t.Errorf("%+v", r.Outcomes[0])
		}
		c.Add(&r)
	}
	text, err := json.Marshal(c.Report(&auditlog.Stats{}, 0))
	if err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "aHVudGVyMi1") {
		t.Errorf("%v, %s", err, text)
	}
}

// Whatever the fields of events contain, a replay goes on.
func FuzzWrite(f *testing.F) {
	d, err := json.Marshal(deployment(bad))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("create", "deployments", "apps", "", "web", d, d, 201)
	f.Add("patch", "deployments", "apps", "status", "web", []byte(`[{"op":"remove","path":"/spec"}]`), []byte(nil), 200)
	f.Add("patch", "pods", "", "", "web", []byte(`{"spec":{"containers":[{"name":"a"}]}}`), []byte(nil), 200)
	f.Add("create", "pods", "", "binding", "web", []byte(`{"kind":"Binding","metadata":{"labels":{"a":"b"}},"target":{"name":"n"}}`), []byte(`{"kind":"Status"}`), 201)
	f.Add("update", "deployments", "apps", "scale", "web", []byte(`{"spec":{"replicas":"x"}}`), []byte(`{"kind":"Scale","spec":{"replicas":1}}`), 200)
	f.Add("create", "limitranges", "", "", "l", []byte(`{"spec":7}`), []byte(`{"kind":"LimitRange","spec":{"limits":[{"max":{"cpu":"x"}}]}}`), 201)
	f.Add("delete", "deployments", "apps", "", "web", []byte(`{"dryRun":"All"}`), []byte(`{"kind":"DeploymentList","items":[7,{"metadata":{"name":"web"}}]}`), 200)
	f.Add("deletecollection", "pods", "", "", "", []byte(`{"dryRun":[]}`), []byte(nil), 200)
	f.Add("patch", "pods", "", "status", "web", []byte(`[{"op":"copy","from":"","path":"/metadata/labels"}]`), []byte(nil), 200)
	f.Add("create", "pods", "", "eviction", "web", []byte(`{"deleteOptions":{"dryRun":7}}`), []byte(nil), 201)
	f.Add("delete", "namespaces", "", "", "shop", []byte(nil), []byte(`{"kind":"Namespace","metadata":{"deletionTimestamp":"x"}}`), 200)
	compiled := snapshot(f, "image-tag", "require-resources", "inject-resources", "restricted-service-type")
	f.Fuzz(func(t *testing.T, verb, resource, group, subresource, name string, sent, answered []byte, code int) {
		l := newLog(t, replay.Options{Snapshot: compiled, Memory: 1 << 16})
		l.write("create", "apps/deployments", "web", deployment(bad))
		l.write("create", "pods", "web", pod(bad))
		c := replay.NewCollector(replay.CollectorOptions{})
		for range 2 {
			r := l.write(verb, resource, name, nil, func(e *auditlog.Event) {
				e.Object.APIGroup, e.Object.Resource, e.Object.Subresource = group, resource, subresource
				e.RequestObject, e.ResponseObject, e.Status.Code = sent, answered, code
				if len(sent) == 0 {
					e.RequestObject = nil
				}
				if len(answered) == 0 {
					e.ResponseObject = nil
				}
			})
			if r.Status == replay.StatusDecided && len(r.Outcomes) == 0 || r.Status == replay.StatusUnknown && r.Reason == "" {
				t.Errorf("%+v", r)
			}
			c.Add(&r)
		}
		c.Report(&auditlog.Stats{}, 0)
	})
}
