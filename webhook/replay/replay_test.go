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
	return &log{t: t, replayer: r, version: 100}
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

func TestUpdatesAreComparedWithTheObjectBefore(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	want(t, "a violation", l.write("create", "apps/deployments", "web", deployment(bad)), decision.VerdictDeny)
	scaled := deployment(bad)
	scaled["spec"].(map[string]any)["replicas"] = 2
	o := want(t, "the same violation", l.write("patch", "apps/deployments", "web", scaled), decision.VerdictWarn)
	if f := o.Validating.Findings[0]; f.Tolerated == "" {
		t.Errorf("%+v", f)
	}
	want(t, "no violation", l.write("update", "apps/deployments", "web", deployment(good)), decision.VerdictAllow)
	want(t, "the violation again", l.write("update", "apps/deployments", "web", deployment(bad)), decision.VerdictDeny)

	other := deployment(bad)
	other["metadata"].(map[string]any)["uid"] = "u2"
	r := l.write("update", "apps/deployments", "web", other)
	if o := want(t, "another object of the name", r, decision.VerdictUnknown); !strings.Contains(o.Validating.Findings[0].Unknown, "may already have it") {
		t.Errorf("%+v", o.Validating.Findings)
	}
}

func TestAnUpdateBeforeTheLogKnowsTheObjectIsARange(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	o := want(t, "a violation", l.write("update", "apps/deployments", "web", deployment(bad)), decision.VerdictUnknown)
	if f := o.Validating.Findings[0]; f.WouldDeny || f.Unknown == "" {
		t.Errorf("%+v", f)
	}
	// From here on, the object is known.
	want(t, "the same violation", l.write("patch", "apps/deployments", "web", deployment(bad)), decision.VerdictWarn)
	want(t, "without a violation nothing is unknown", newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")}).
		write("update", "apps/deployments", "web", deployment(good)), decision.VerdictAllow)
}

func TestLevels(t *testing.T) {
	for _, verb := range []string{"create", "update"} {
		l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
		wantStatus(t, verb, l.write(verb, "apps/deployments", "web", deployment(bad), atLevel(auditlog.LevelMetadata)), replay.StatusUnknown, "level Metadata")
	}
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	want(t, "what the client sent", l.write("create", "apps/deployments", "web", deployment(good), atLevel(auditlog.LevelRequest)), decision.VerdictAllow)
	patch := func(text string) edit {
		return func(e *auditlog.Event) {
			e.Level, e.RequestObject, e.ResponseObject = auditlog.LevelRequest, []byte(text), nil
		}
	}
	image := `{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"` + bad + `"}`
	want(t, "a JSON patch", l.write("patch", "apps/deployments", "web", nil, patch("["+image+"]")), decision.VerdictDeny)
	want(t, "a patch with one reading", l.write("patch", "apps/deployments", "web", nil, patch(`{"spec":{"replicas":3}}`)), decision.VerdictWarn)
	containers := `{"spec":{"template":{"spec":{"containers":[{"name":"other","image":"` + good + `"}]}}}}`
	wantStatus(t, "a patch with two readings", l.write("patch", "apps/deployments", "web", nil, patch(containers)), replay.StatusUnknown, "not its type")
	wantStatus(t, "a patch of what is no longer known", l.write("patch", "apps/deployments", "web", nil, patch("["+image+"]")), replay.StatusUnknown, "only the patch")
	apply := func(e *auditlog.Event) { e.RequestURI = "/x?fieldManager=me" }
	wantStatus(t, "server-side apply", l.write("patch", "apps/deployments", "web", nil, patch(string(l.text(deployment(bad)))), apply), replay.StatusUnknown, "what was applied")
	wantStatus(t, "truncated", l.write("create", "apps/deployments", "web", nil, func(e *auditlog.Event) { e.Truncated = true }), replay.StatusUnknown, "too large for the log")
}

// A mutating webhook's patch is in the annotations of the event.
func TestPatchesOfOtherWebhooks(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	webhook := func(round, image string) edit {
		return func(e *auditlog.Event) {
			if e.Annotations == nil {
				e.Annotations = map[string]string{}
			}
			e.Annotations["patch.webhook.admission.k8s.io/round_"+round] = `{"configuration":"c","webhook":"w","patchType":"JSONPatch","patch":[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"` + image + `"}]}`
		}
	}
	want(t, "patched", l.write("create", "apps/deployments", "web", deployment(bad), atLevel(auditlog.LevelRequest), webhook("0_index_2", bad), webhook("0_index_10", good)), decision.VerdictAllow)
	want(t, "the response has the patches already", l.write("create", "apps/deployments", "web", deployment(good), webhook("0_index_1", bad)), decision.VerdictAllow)
	wantStatus(t, "a patch that does not apply", l.write("create", "apps/deployments", "web", deployment(bad), atLevel(auditlog.LevelRequest), func(e *auditlog.Event) {
		e.Annotations = map[string]string{"patch.webhook.admission.k8s.io/round_0_index_0": `{"patchType":"JSONPatch","patch":[{"op":"remove","path":"/none"}]}`}
	}), replay.StatusUnknown, "does not apply")
}

func TestWhatIsNotDecided(t *testing.T) {
	exclude := replay.Options{Snapshot: snapshot(t, "image-tag"), Exclude: replay.DefaultExclude()}
	status := func(code int, reason, message string) edit {
		return func(e *auditlog.Event) {
			e.Status = auditlog.Status{Code: code, Reason: reason, Message: message}
			e.ResponseObject = []byte(`{"kind":"Status","apiVersion":"v1"}`)
		}
	}
	for what, test := range map[string]struct {
		edit   edit
		status replay.Status
	}{
		"dry run":              {func(e *auditlog.Event) { e.RequestURI += "?a=b&dryRun=All" }, replay.StatusDryRun},
		"excluded namespace":   {func(e *auditlog.Event) { e.Object.Namespace = "kube-system" }, replay.StatusNotSent},
		"scale":                {func(e *auditlog.Event) { e.Object.Subresource = "scale" }, replay.StatusNotSent},
		"another kind":         {func(e *auditlog.Event) { e.Object.Resource, e.Object.APIGroup = "leases", "coordination.k8s.io" }, replay.StatusNotSent},
		"delete":               {func(e *auditlog.Event) { e.Verb = "delete" }, replay.StatusNotSent},
		"invalid":              {status(422, "Invalid", "x"), replay.StatusUnreached},
		"not permitted":        {status(403, "Forbidden", "x is forbidden: User cannot create"), replay.StatusUnreached},
		"refused by a plug-in": {status(403, "Forbidden", "violates PodSecurity"), replay.StatusUnreached},
		"conflict":             {status(409, "Conflict", "x"), replay.StatusUnreached},
		"another webhook":      {status(403, "Forbidden", `admission webhook "a.b" denied the request: x`), replay.StatusUnknown},
		"server error":         {status(500, "InternalError", "x"), replay.StatusUnknown},
		"quota":                {status(403, "Forbidden", "pods is forbidden: exceeded quota: q, requested: pods=1"), replay.StatusDecided},
		"exists":               {status(409, "AlreadyExists", "x"), replay.StatusDecided},
		"denied by Taffrail":   {status(403, "Forbidden", `admission webhook "validate.taffrail.dev" denied the request: x`), replay.StatusDecided},
		"patched by Taffrail":  {status(403, "Forbidden", `admission webhook "mutate.taffrail.dev" denied the request: x`), replay.StatusUnreached},
	} {
		l := newLog(t, exclude)
		r := l.write("create", "apps/deployments", "web", deployment(bad), test.edit)
		if r.Status != test.status {
			t.Errorf("%s: %s (%s), want %s", what, r.Status, r.Reason, test.status)
		}
		if test.status == replay.StatusDecided && (!r.Refused || r.Outcomes[0].Verdict() != decision.VerdictDeny) {
			t.Errorf("%s: %+v", what, r)
		}
		// A write that was not stored is not the object before the next one.
		next := l.write("update", "apps/deployments", "web", deployment(bad))
		if test.status != replay.StatusNotSent {
			want(t, what+", then an update", next, decision.VerdictUnknown)
		}
	}
}

// Labels and annotations can be written through status. What controllers write there is not sent.
func TestStatus(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "app-label")})
	status := func(e *auditlog.Event) { e.Object.Subresource = "status" }
	wantStatus(t, "of an unknown object", l.write("update", "apps/deployments", "web", deployment(good), status), replay.StatusUnknown, "labels or annotations")
	wantStatus(t, "unchanged", l.write("update", "apps/deployments", "web", deployment(good), status), replay.StatusNotSent, "")
	labeled := deployment(good)
	labeled["metadata"].(map[string]any)["labels"] = map[string]any{"a": "b"}
	want(t, "changed", l.write("update", "apps/deployments", "web", labeled, status), decision.VerdictAllow)
	wantStatus(t, "by a controller", l.write("update", "apps/deployments", "web", deployment(good), status, func(e *auditlog.Event) {
		e.User.Username = "system:serviceaccount:kube-system:deployment-controller"
	}), replay.StatusNotSent, "")
}

func TestScaleIsKnown(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "min-replicas")})
	namespaceOf(l, nil)
	d := deployment(good)
	d["spec"].(map[string]any)["replicas"] = 3
	want(t, "three replicas", l.write("create", "apps/deployments", "web", d), decision.VerdictAllow)
	l.version++
	l.write("update", "apps/deployments", "web", nil, func(e *auditlog.Event) {
		e.Object.Subresource = "scale"
		e.ResponseObject = fmt.Appendf(nil, `{"kind":"Scale","metadata":{"resourceVersion":"%d"},"spec":{"replicas":1}}`, l.version)
	})
	d["spec"].(map[string]any)["replicas"] = 1
	d["metadata"].(map[string]any)["annotations"] = map[string]any{"a": "b"}
	want(t, "it has had one replica already", l.write("update", "apps/deployments", "web", d), decision.VerdictWarn)
}

func TestNamespacesAreKnownFromTheLog(t *testing.T) {
	catalog, err := library()
	if err != nil {
		t.Fatal(err)
	}
	g := v1alpha1.Guardrail{Spec: v1alpha1.GuardrailSpec{Mode: v1alpha1.ModeEnforce, Policies: []v1alpha1.PolicyBinding{{Name: "image-tag"}}}}
	g.Name = "team"
	g.Spec.NamespaceSelector = config.Default(catalog)[1].Spec.NamespaceSelector
	s, _, err := config.Build(t.Context(), catalog, config.Objects{Guardrails: []v1alpha1.Guardrail{g}})
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t, replay.Options{Snapshot: s})
	o := want(t, "unknown", l.write("create", "apps/deployments", "a", deployment(bad)), decision.VerdictUnknown)
	if !strings.Contains(o.Validating.Findings[0].Unknown, "namespace shop is not in the log") {
		t.Errorf("%+v", o.Validating.Findings)
	}
	namespaceOf(l, map[string]any{"taffrail.dev/exposure": "restricted"})
	want(t, "selected", l.write("create", "apps/deployments", "b", deployment(bad)), decision.VerdictDeny)
	namespaceOf(l, nil)
	if r := l.write("create", "apps/deployments", "c", deployment(bad)); !r.Outcomes[0].Unbound() {
		t.Errorf("not selected: %+v", r)
	}
	l.write("patch", "namespaces", "shop", nil, func(e *auditlog.Event) { e.Level = auditlog.LevelMetadata })
	want(t, "unknown again", l.write("create", "apps/deployments", "d", deployment(bad)), decision.VerdictUnknown)
}

func TestFactsAreThoseOfTheMoment(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "limitrange-fit")})
	big := deployment(good)
	big["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)["resources"] = map[string]any{
		"requests": map[string]any{"cpu": "2"}, "limits": map[string]any{"cpu": "2"},
	}
	o := want(t, "LimitRanges from before the log", l.write("create", "apps/deployments", "a", big), decision.VerdictUnknown)
	if why := o.Validating.Findings[0].Unknown; why != "the LimitRanges of namespace shop are not in the log: use --facts or --live" {
		t.Errorf("%s", why)
	}
	namespaceOf(l, nil)
	want(t, "no LimitRange yet", l.write("create", "apps/deployments", "b", big), decision.VerdictAllow)
	limit := map[string]any{
		"apiVersion": "v1", "kind": "LimitRange", "metadata": map[string]any{"name": "most", "namespace": "shop"},
		"spec": map[string]any{"limits": []any{map[string]any{"type": "Container", "max": map[string]any{"cpu": "1"}}}},
	}
	l.write("create", "limitranges", "most", limit)
	want(t, "above the maximum", l.write("create", "apps/deployments", "c", big), decision.VerdictDeny)
	l.write("delete", "limitranges", "most", nil)
	want(t, "the LimitRange is gone", l.write("create", "apps/deployments", "d", big), decision.VerdictAllow)
	l.write("create", "limitranges", "most", limit, atLevel(auditlog.LevelMetadata))
	want(t, "a LimitRange without its content", l.write("create", "apps/deployments", "e", big), decision.VerdictUnknown)
}

// Nothing is refused for what would have been injected.
func TestInjection(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "inject-resources", "require-resources")})
	namespaceOf(l, nil)
	o := want(t, "a Pod without resources", l.write("create", "pods", "web", pod(good)), decision.VerdictAllow)
	if len(o.Mutating.Patch) == 0 || len(o.Mutating.Fills) == 0 || len(o.Validating.Findings) != 0 {
		t.Errorf("%+v", o)
	}
	l = newLog(t, replay.Options{Snapshot: snapshot(t, "require-resources")})
	namespaceOf(l, nil)
	want(t, "without injection", l.write("create", "pods", "web", pod(good)), decision.VerdictDeny)
}

func TestControllersAreTrusted(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	by := func(name string) edit { return func(e *auditlog.Event) { e.User.Username = name } }
	want(t, "a user", l.write("create", "pods", "web", pod(bad)), decision.VerdictDeny)
	want(t, "the ReplicaSet controller", l.write("create", "pods", "web2", pod(bad), by("system:serviceaccount:kube-system:replicaset-controller")), decision.VerdictAllow)
}

// A rollback restores a template that was decided. If the log begins too late, it is a range.
func TestRollback(t *testing.T) {
	replicaSet := func(image string) map[string]any {
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

// Events may arrive out of order. An older state never replaces a newer one.
func TestOutOfOrder(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	l.write("create", "apps/deployments", "web", deployment(good))
	l.version = 200
	l.write("update", "apps/deployments", "web", deployment(bad))
	l.version = 150
	want(t, "an older update", l.write("update", "apps/deployments", "web", deployment(bad)), decision.VerdictUnknown)
	l.version = 300
	want(t, "compared with the newest", l.write("update", "apps/deployments", "web", deployment(bad)), decision.VerdictWarn)

	generation := func(n int) map[string]any {
		d := deployment(bad)
		d["metadata"].(map[string]any)["generation"] = n
		return d
	}
	l.write("update", "apps/deployments", "web", generation(5))
	want(t, "an update in between is not in the log", l.write("update", "apps/deployments", "web", generation(7)), decision.VerdictUnknown)
}

func TestMemoryIsLimited(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag"), Memory: 4 << 10})
	for i := range 20 {
		d := deployment(bad)
		d["metadata"].(map[string]any)["uid"] = fmt.Sprint("u", i)
		d["metadata"].(map[string]any)["name"] = fmt.Sprint("web-", i)
		l.write("create", "apps/deployments", fmt.Sprint("web-", i), d)
	}
	if n := l.replayer.Evicted(); n < 10 || n > 18 {
		t.Errorf("%d evicted", n)
	}
	last, first := deployment(bad), deployment(bad)
	last["metadata"].(map[string]any)["uid"], first["metadata"].(map[string]any)["uid"] = "u19", "u0"
	want(t, "the last one is known", l.write("update", "apps/deployments", "web-19", last), decision.VerdictWarn)
	want(t, "the first one is not", l.write("update", "apps/deployments", "web-0", first), decision.VerdictUnknown)
}

func TestAgainst(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "require-probes"), Against: snapshot(t, "image-tag")})
	c := replay.NewCollector(replay.CollectorOptions{Against: true})
	for _, image := range []string{bad, good} {
		r := l.write("create", "apps/deployments", "web", deployment(image))
		c.Add(&r)
	}
	report := c.Report(&auditlog.Stats{}, 0)
	changes := report.Changes
	if changes.NewlyDenied != 0 || changes.NoLongerDenied != 1 || changes.OtherMode != 1 || len(changes.Workloads) != 2 {
		t.Fatalf("%+v", changes)
	}
	if first := changes.Workloads[0]; first.What != replay.NoLongerDenied || first.Before != decision.VerdictDeny || first.Verdict != decision.VerdictAllow ||
		len(first.Findings) != 0 || first.Removed[0].Policy != "require-probes" {
		t.Errorf("%+v", first)
	}
	if second := changes.Workloads[1]; second.Findings[0].Policy != "image-tag" || second.Removed[0].Policy != "require-probes" {
		t.Errorf("%+v", second)
	}
}
