package replay_test

import (
	"fmt"
	"strings"
	"testing"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

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
		"a webhook's own code": {status(400, "BadRequest", `admission webhook "a.b" denied the request: x`), replay.StatusUnknown},
		"with code 409":        {status(409, "Conflict", `admission webhook "services.validate.taffrail.dev" denied the request: x`), replay.StatusDecided},
		"relax":                {status(403, "Forbidden", `admission webhook "relax.taffrail.dev" denied the request: x`), replay.StatusDecided},
		"quoted in a value":    {status(422, "Invalid", `invalid value: admission webhook "validate.taffrail.dev" denied the request`), replay.StatusUnreached},
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

// A kubelet patches the status of its Pods all the time. At level Request the log has the patch, which shows that it is
// not sent, and that the Pod is otherwise the same.
func TestPatchesOfStatusAtLevelRequest(t *testing.T) {
	for patch, status := range map[string]replay.Status{
		`{"metadata":{"uid":"p1"},"status":{"$setElementOrder/conditions":[],"phase":"Running"}}`: replay.StatusNotSent,
		`{"status":{"phase":"Running"}}`:                                         replay.StatusNotSent,
		`[{"op":"replace","path":"/status/phase","value":"Running"}]`:            replay.StatusNotSent,
		`{"metadata":{"labels":{"app":"other"}}}`:                                replay.StatusDecided,
		`{"metadata":{"annotations":null}}`:                                      replay.StatusNotSent, // there are none
		`{"metadata":{"$patch":"replace","name":"web"}}`:                         replay.StatusUnknown,
		`[{"op":"add","path":"/metadata/labels/a","value":"b"}]`:                 replay.StatusDecided,
		`[{"op":"move","from":"/metadata/labels/app","path":"/status/message"}]`: replay.StatusUnknown,
	} {
		l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
		want(t, "a Pod", l.write("create", "pods", "web", pod(bad), atLevel(auditlog.LevelRequest)), decision.VerdictDeny)
		r := l.write("patch", "pods", "web", nil, func(e *auditlog.Event) {
			e.Level, e.RequestObject, e.Object.Subresource, e.User.Username = auditlog.LevelRequest, []byte(patch), "status", "system:node:a"
		})
		if r.Status != status {
			t.Errorf("%s: %s (%s), want %s", patch, r.Status, r.Reason, status)
		}
		if status != replay.StatusNotSent {
			continue
		}
		next := l.write("patch", "pods", "web", nil, func(e *auditlog.Event) {
			e.Level, e.RequestObject = auditlog.LevelRequest, []byte(`{"metadata":{"labels":{"a":"b"}}}`)
		})
		want(t, "the Pod is still known after "+patch, next, decision.VerdictWarn)
	}
}

func TestBindingsOfUnknownPods(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "app-label")})
	bind := func(e *auditlog.Event) {
		e.Object.Subresource, e.ResponseObject = "binding", []byte(`{"kind":"Status"}`)
		e.RequestObject = []byte(`{"kind":"Binding","apiVersion":"v1","metadata":{"name":"web","annotations":{"a":"b"}},"target":{"name":"node"}}`)
	}
	wantStatus(t, "of an unknown Pod", l.write("create", "pods", "web", nil, bind), replay.StatusUnknown, "the Pod that it binds is not in the log")
	l.write("create", "pods", "web", pod(good))
	want(t, "of a known Pod", l.write("create", "pods", "web", nil, bind), decision.VerdictAllow)
}

// Admission refuses what is too large to be inspected.
func TestOversizedObjectsAreRefused(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	var deep any = "x"
	for range 300 {
		deep = map[string]any{"a": deep}
	}
	d := deployment(good)
	d["spec"].(map[string]any)["deep"] = deep
	o := want(t, "too deep", l.write("create", "apps/deployments", "web", d), decision.VerdictDeny)
	if f := o.Validating.Findings[0]; f.Policy != "request-limit" {
		t.Errorf("%+v", f)
	}
	p := pod(good)
	p["spec"].(map[string]any)["deep"] = deep
	want(t, "a Pod", l.write("create", "pods", "web", p), decision.VerdictDeny)
}

// At level Metadata, a covered custom resource is sent, but not known. Others are not sent.
func TestCustomResources(t *testing.T) {
	catalog, err := library()
	if err != nil {
		t.Fatal(err)
	}
	own := v1alpha1.Policy{Spec: v1alpha1.PolicySpec{Rego: "# METADATA\n# title: t\n# description: d\n# custom:\n#   id: own\n#   severity: low\n" +
		"#   kinds: [Rollout.argoproj.io]\n#   remediation: r\npackage taffrail.user.own\n\ndeny contains {\"msg\": \"m\", \"path\": \"spec\"} if input.object.spec.bad\n"}}
	own.Name = "own"
	g := v1alpha1.Guardrail{Spec: v1alpha1.GuardrailSpec{Mode: v1alpha1.ModeEnforce, Policies: []v1alpha1.PolicyBinding{{Name: "own"}}}}
	g.Name = "team"
	s, problems, err := config.Build(t.Context(), catalog, config.Objects{Guardrails: []v1alpha1.Guardrail{g}, Policies: []v1alpha1.Policy{own}})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	l := newLog(t, replay.Options{Snapshot: s})
	rollout := map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": map[string]any{"name": "web", "namespace": "shop"}, "spec": map[string]any{"bad": true}}
	want(t, "with its object", l.write("create", "argoproj.io/rollouts", "web", rollout), decision.VerdictDeny)
	c := replay.NewCollector(replay.CollectorOptions{})
	for _, r := range []replay.Result{
		l.write("create", "argoproj.io/rollouts", "other", rollout, atLevel(auditlog.LevelMetadata)),
		l.write("create", "argoproj.io/analysisruns", "run", nil, atLevel(auditlog.LevelMetadata)),
	} {
		c.Add(&r)
		if r.Event.Object.Resource == "rollouts" {
			wantStatus(t, "covered", r, replay.StatusUnknown, "level Metadata")
		} else {
			wantStatus(t, "not covered", r, replay.StatusNotSent, "")
		}
	}
	coverage := c.Report(&auditlog.Stats{}, 0).Coverage.Resources
	if len(coverage) != 2 || coverage[0].Covered || !coverage[1].Covered {
		t.Errorf("%+v", coverage)
	}
}

// A patch that copies what it has copied is refused by the API server, and takes no memory here.
func TestPatchesThatGrow(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "image-tag")})
	l.write("create", "apps/deployments", "web", deployment(good))
	var operations []string
	for i := range 16 {
		operations = append(operations, fmt.Sprintf(`{"op":"copy","from":"/spec","path":"/spec/x%d"}`, i))
	}
	r := l.write("patch", "apps/deployments", "web", nil, func(e *auditlog.Event) {
		e.Level, e.RequestObject = auditlog.LevelRequest, []byte("["+strings.Join(operations, ",")+"]")
	})
	wantStatus(t, "a patch that grows", r, replay.StatusUnknown, "only the patch")
}
