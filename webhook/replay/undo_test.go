package replay_test

import (
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

// A log from a cluster in which Taffrail injects has what it has filled in. That is decided as it was sent.
func TestOwnFillsAreUndone(t *testing.T) {
	fill := `[{"op":"add","path":"/spec/containers/0/resources","value":{"limits":{"cpu":"1000m","memory":"2Gi"},"requests":{"cpu":"100m","memory":"1Gi"}}}]`
	limits := `[{"op":"add","path":"/spec/containers/0/resources/limits","value":{"cpu":"1","memory":"2Gi"}}]`
	filled := func(resources map[string]any) map[string]any {
		p := pod(good)
		p["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)["resources"] = resources
		return p
	}
	both := map[string]any{"limits": map[string]any{"cpu": "1", "memory": "2Gi"}, "requests": map[string]any{"cpu": "100m", "memory": "1Gi"}}
	patch := func(webhook, index, patch string) edit {
		return func(e *auditlog.Event) {
			if e.Annotations == nil {
				e.Annotations = map[string]string{}
			}
			e.Annotations["patch.webhook.admission.k8s.io/round_0_index_"+index] = `{"configuration":"c","webhook":"` + webhook + `","patchType":"JSONPatch","patch":` + patch + `}`
		}
	}
	own, other := "mutate.taffrail.dev", "inject.example.com"
	for what, test := range map[string]struct {
		pod    map[string]any
		edits  []edit
		undone bool
		status replay.Status
		// verdict is that of a configuration that requires resources and injects none.
		verdict decision.Verdict
	}{
		"filled":                   {filled(both), []edit{patch(own, "0", fill)}, true, replay.StatusDecided, decision.VerdictDeny},
		"sent":                     {filled(both), nil, false, replay.StatusDecided, decision.VerdictAllow},
		"of another webhook":       {filled(both), []edit{patch(other, "0", fill)}, false, replay.StatusDecided, decision.VerdictAllow},
		"other containers earlier": {filled(both), []edit{patch(other, "0", `[{"op":"add","path":"/spec/containers/-","value":{}}]`), patch(own, "1", fill)}, true, replay.StatusDecided, decision.VerdictDeny},
		"other containers later":   {filled(both), []edit{patch(own, "0", fill), patch(other, "1", `[{"op":"add","path":"/spec/containers/0","value":{}}]`)}, false, replay.StatusUnknown, 0},
		"other fields later":       {filled(both), []edit{patch(own, "0", fill), patch(other, "1", `[{"op":"add","path":"/spec/containers/0/env","value":[]}]`)}, true, replay.StatusDecided, decision.VerdictDeny},
		"changed since":            {filled(map[string]any{"limits": map[string]any{"cpu": "2"}}), []edit{patch(own, "0", fill)}, false, replay.StatusUnknown, 0},
		"requests that may follow": {filled(map[string]any{"limits": map[string]any{"cpu": "1", "memory": "2Gi"}, "requests": map[string]any{"cpu": "1"}}), []edit{patch(own, "0", limits)}, false, replay.StatusUnknown, 0},
		"requests that were sent":  {filled(both), []edit{patch(own, "0", limits)}, true, replay.StatusDecided, decision.VerdictDeny},
	} {
		l := newLog(t, replay.Options{Snapshot: snapshot(t, "inject-resources", "require-resources"), Against: snapshot(t, "require-resources")})
		namespaceOf(l, nil)
		r := l.write("create", "pods", "web", test.pod, test.edits...)
		if r.Status != test.status || r.Undone != test.undone || r.Filled != (test.status == replay.StatusUnknown) {
			t.Errorf("%s: %s (%s), undone %v", what, r.Status, r.Reason, r.Undone)
			continue
		}
		if test.status == replay.StatusUnknown {
			if !strings.Contains(r.Reason, "Taffrail has filled in values") {
				t.Errorf("%s: %s", what, r.Reason)
			}
			continue
		}
		if r.Outcomes[1].Err != nil || r.Outcomes[1].Verdict() != test.verdict {
			t.Errorf("%s: %v, %s: %+v", what, r.Outcomes[1].Err, r.Outcomes[1].Verdict(), r.Outcomes[1].Validating)
		}
		if test.undone && len(r.Outcomes[0].Mutating.Patch) == 0 {
			t.Errorf("%s: nothing would be filled in", what)
		}
	}

	// At level Request, the patch is not applied.
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "inject-resources", "image-tag")})
	namespaceOf(l, nil)
	want(t, "at level Request", l.write("create", "pods", "web", pod(bad), atLevel(auditlog.LevelRequest), patch(own, "0", `[{"op":"replace","path":"/spec/containers/0/image","value":"`+good+`"}]`)), decision.VerdictDeny)
}
