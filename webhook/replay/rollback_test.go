package replay_test

import (
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

func TestControllersAreTrusted(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	by := func(name string) edit { return func(e *auditlog.Event) { e.User.Username = name } }
	want(t, "a user", l.write("create", "pods", "web", pod(bad)), decision.VerdictDeny)
	want(t, "the ReplicaSet controller", l.write("create", "pods", "web2", pod(bad), by("system:serviceaccount:kube-system:replicaset-controller")), decision.VerdictAllow)
}

func replicaSet(image string) map[string]any {
	d := deployment(image)
	template := d["spec"].(map[string]any)["template"].(map[string]any)
	template["metadata"] = map[string]any{"labels": map[string]any{"app": "web", "pod-template-hash": "abc"}}
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "ReplicaSet",
		"metadata": map[string]any{
			"name": "web-abc", "namespace": "shop", "uid": "r1", "labels": map[string]any{"app": "web", "pod-template-hash": "abc"},
			"ownerReferences": []any{map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u1", "controller": true}},
		},
		"spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "web", "pod-template-hash": "abc"}}, "template": template},
	}
}

// A rollback restores a template that was decided. If the log begins too late, it is a range.
func TestRollback(t *testing.T) {
	controller := func(e *auditlog.Event) { e.User.Username = "system:serviceaccount:kube-system:deployment-controller" }
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	want(t, "the first revision", l.write("create", "apps/deployments", "web", deployment(bad)), decision.VerdictDeny)
	want(t, "its ReplicaSet", l.write("create", "apps/replicasets", "web-abc", replicaSet(bad), controller), decision.VerdictAllow)
	want(t, "the second revision", l.write("update", "apps/deployments", "web", deployment(good)), decision.VerdictAllow)
	o := want(t, "the rollback", l.write("patch", "apps/deployments", "web", deployment(bad)), decision.VerdictWarn)
	if why := o.Validating.Findings[0].Tolerated; why != "as in ReplicaSet web-abc" {
		t.Errorf("%s", why)
	}

	l = newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	want(t, "an old Deployment", l.write("update", "apps/deployments", "web", deployment(good)), decision.VerdictAllow)
	o = want(t, "perhaps a rollback", l.write("patch", "apps/deployments", "web", deployment(bad)), decision.VerdictUnknown)
	if why := o.Validating.Findings[0].Unknown; !strings.Contains(why, "rollback") {
		t.Errorf("%s", why)
	}
}

// Revisions that the log does not have make a rollback possible.
func TestRevisionsThatAreNotInTheLog(t *testing.T) {
	controller := func(e *auditlog.Event) { e.User.Username = "system:serviceaccount:kube-system:deployment-controller" }
	for what, test := range map[string]struct {
		write func(*log)
		why   string
	}{
		"at level Metadata": {func(l *log) {
			l.write("create", "apps/replicasets", "web-abc", replicaSet(bad), controller, atLevel(auditlog.LevelMetadata))
		}, "without their content"},
		"truncated": {func(l *log) {
			l.write("create", "apps/replicasets", "web-abc", nil, controller, func(e *auditlog.Event) { e.Truncated = true })
		}, "without their content"},
		"selected by a field": {func(l *log) {
			l.write("create", "apps/replicasets", "web-abc", replicaSet(bad), controller)
			l.write("deletecollection", "apps/replicasets", "", nil, func(e *auditlog.Event) { e.RequestURI = "/x?fieldSelector=status.replicas%3D0" })
		}, "without their content"},
		"none": {func(*log) {}, ""},
	} {
		l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
		want(t, "the first revision", l.write("create", "apps/deployments", "web", deployment(good)), decision.VerdictAllow)
		test.write(l)
		r := l.write("patch", "apps/deployments", "web", deployment(bad))
		if test.why == "" {
			want(t, what, r, decision.VerdictDeny)
		} else if o := want(t, what, r, decision.VerdictUnknown); !strings.Contains(o.Validating.Findings[0].Unknown, test.why) {
			t.Errorf("%s: %+v", what, o.Validating.Findings[0])
		}
	}
	l := newBareLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	l.write("create", "apps/deployments", "web", deployment(good))
	want(t, "a log without revisions", l.write("patch", "apps/deployments", "web", deployment(bad)), decision.VerdictUnknown)
}
