package replay_test

import (
	"fmt"
	"maps"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

// The options of a deletion are in the body of the request.
func TestDeletionsAsDryRuns(t *testing.T) {
	dry := func(text string) edit { return func(e *auditlog.Event) { e.RequestObject = []byte(text) } }
	for what, test := range map[string]struct {
		edit    edit
		status  replay.Status
		verdict decision.Verdict
	}{
		"a dry run":                  {dry(`{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["All"]}`), replay.StatusDryRun, decision.VerdictWarn},
		"a deletion":                 {dry(`{"kind":"DeleteOptions","apiVersion":"v1"}`), replay.StatusNotSent, decision.VerdictUnknown},
		"at level Metadata, unknown": {atLevel(auditlog.LevelMetadata), replay.StatusNotSent, decision.VerdictUnknown},
	} {
		l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
		l.write("create", "apps/deployments", "web", deployment(bad))
		wantStatus(t, what, l.write("delete", "apps/deployments", "web", nil, test.edit), test.status, "")
		want(t, what+", then an update", l.write("update", "apps/deployments", "web", deployment(bad)), test.verdict)
	}

	// Facts are unread rather than deleted.
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "limitrange-fit")})
	namespaceOf(l, nil)
	l.write("create", "limitranges", "most", map[string]any{"apiVersion": "v1", "kind": "LimitRange", "metadata": map[string]any{"name": "most", "namespace": "shop"}, "spec": map[string]any{}})
	want(t, "a LimitRange", l.write("create", "apps/deployments", "a", deployment(good)), decision.VerdictAllow)
	l.write("delete", "limitranges", "most", nil, atLevel(auditlog.LevelMetadata))
	want(t, "perhaps a dry run", l.write("create", "apps/deployments", "b", deployment(good)), decision.VerdictUnknown)
	l.write("delete", "limitranges", "most", nil)
	want(t, "deleted", l.write("create", "apps/deployments", "c", deployment(good)), decision.VerdictAllow)

	l = newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	l.write("create", "pods", "web", pod(bad))
	evict := func(text string) edit {
		return func(e *auditlog.Event) { e.Object.Subresource, e.RequestObject = "eviction", []byte(text) }
	}
	wantStatus(t, "an eviction as a dry run", l.write("create", "pods", "web", nil, evict(`{"kind":"Eviction","deleteOptions":{"dryRun":["All"]}}`)), replay.StatusDryRun, "")
}

// The deletion of a collection concerns what it selects.
func TestDeletionsOfCollections(t *testing.T) {
	for what, test := range map[string]struct {
		edit edit
		// web is labeled app=web, and other app=other.
		web, other decision.Verdict
	}{
		"all":      {func(*auditlog.Event) {}, decision.VerdictUnknown, decision.VerdictUnknown},
		"by label": {func(e *auditlog.Event) { e.RequestURI = "/x?labelSelector=app%3Dweb" }, decision.VerdictUnknown, decision.VerdictWarn},
		"by name":  {func(e *auditlog.Event) { e.RequestURI = "/x?fieldSelector=metadata.name%3Dother" }, decision.VerdictWarn, decision.VerdictUnknown},
		"by another field": {func(e *auditlog.Event) {
			e.RequestURI = "/x?fieldSelector=status.phase%3DFailed&labelSelector=app%3Dweb"
		}, decision.VerdictUnknown, decision.VerdictWarn},
		"listed": {func(e *auditlog.Event) {
			e.ResponseObject = []byte(`{"kind":"DeploymentList","items":[{"metadata":{"name":"other"}}]}`)
		}, decision.VerdictWarn, decision.VerdictUnknown},
		"a dry run": {func(e *auditlog.Event) { e.RequestObject = []byte(`{"dryRun":["All"]}`) }, decision.VerdictWarn, decision.VerdictWarn},
	} {
		l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
		for _, name := range []string{"web", "other"} {
			d := deployment(bad)
			d["metadata"] = map[string]any{"name": name, "namespace": "shop", "uid": name, "labels": map[string]any{"app": name}}
			l.write("create", "apps/deployments", name, d)
		}
		l.write("deletecollection", "apps/deployments", "", nil, test.edit)
		for name, verdict := range map[string]decision.Verdict{"web": test.web, "other": test.other} {
			d := deployment(bad)
			d["metadata"] = map[string]any{"name": name, "namespace": "shop", "uid": name, "labels": map[string]any{"app": name}}
			want(t, what+": "+name, l.write("update", "apps/deployments", name, d), verdict)
		}
	}
}

// An object is gone once it is terminating without finalizers, and its grace period is over.
func TestObjectsThatAreGone(t *testing.T) {
	for what, test := range map[string]struct {
		metadata map[string]any
		verdict  decision.Verdict
	}{
		"grace period":    {map[string]any{"deletionTimestamp": "2026-11-01T08:00:30Z", "deletionGracePeriodSeconds": 30}, decision.VerdictWarn},
		"no grace period": {map[string]any{"deletionTimestamp": "2026-11-01T08:00:30Z", "deletionGracePeriodSeconds": 0}, decision.VerdictUnknown},
		"finalizers":      {map[string]any{"deletionTimestamp": "2026-11-01T08:00:30Z", "deletionGracePeriodSeconds": 0, "finalizers": []any{"a/b"}}, decision.VerdictWarn},
	} {
		l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
		l.write("create", "pods", "web", pod(bad))
		deleted := pod(bad)
		maps.Copy(deleted["metadata"].(map[string]any), test.metadata)
		l.write("delete", "pods", "web", deleted)
		labeled := pod(bad)
		maps.Copy(labeled["metadata"].(map[string]any), test.metadata)
		labeled["metadata"].(map[string]any)["labels"] = map[string]any{"app": "web", "a": "b"}
		want(t, what, l.write("update", "pods", "web", labeled), test.verdict)
	}

	// A Namespace has finalizers of its own, and its status is written until it is empty.
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "limitrange-fit")})
	namespaceOf(l, nil)
	terminating := func(finalizers ...any) map[string]any {
		return map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop", "deletionTimestamp": "2026-11-01T08:00:30Z"},
			"spec": map[string]any{"finalizers": finalizers},
		}
	}
	l.write("delete", "namespaces", "shop", terminating("kubernetes"))
	status := func(e *auditlog.Event) { e.Object.Subresource = "status" }
	l.write("update", "namespaces", "shop", terminating("kubernetes"), status)
	want(t, "facts of a terminating namespace", l.write("create", "apps/deployments", "a", deployment(good)), decision.VerdictAllow)
	l.write("update", "namespaces", "shop", terminating(), status)
	want(t, "facts of a namespace that is gone", l.write("create", "apps/deployments", "b", deployment(good)), decision.VerdictUnknown)
}

func TestPodsAreForgottenOnceTheyAreGone(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag"), Memory: 64 << 10})
	for i := range 500 {
		p := pod(bad)
		p["metadata"].(map[string]any)["name"] = fmt.Sprint("web-", i)
		l.write("create", "pods", fmt.Sprint("web-", i), p)
		p["metadata"].(map[string]any)["deletionTimestamp"], p["metadata"].(map[string]any)["deletionGracePeriodSeconds"] = "2026-11-01T08:00:30Z", 0
		l.write("delete", "pods", fmt.Sprint("web-", i), p)
	}
	if n := l.replayer.Evicted(); n > 0 {
		t.Errorf("%d evicted", n)
	}
}
