package replay_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
)

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

// later has the facts of a cluster after the log has ended.
type later struct {
	namespaces map[string]decision.Namespace
	facts      decision.Facts
}

func (l *later) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	if n, found := l.namespaces[name]; found {
		return n, nil
	}
	return decision.Namespace{Name: name}, nil
}

func (l *later) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return l.facts, nil
}

func limitRange(name, version string, created time.Time) *corev1.LimitRange {
	one := &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}}}}
	one.Name, one.Namespace, one.ResourceVersion, one.CreationTimestamp = name, "shop", version, metav1.NewTime(created)
	return one
}

// Facts from outside of the log are of a later time. They count only as far as they were the same.
func TestFactsOfALaterTime(t *testing.T) {
	before, after := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	big := deployment(good)
	big["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)["resources"] = map[string]any{
		"requests": map[string]any{"cpu": "2"}, "limits": map[string]any{"cpu": "2"},
	}
	shop := map[string]decision.Namespace{"shop": {Name: "shop", Known: true, Created: before}}
	change := func(verb, name string) *replay.History {
		var h replay.History
		h.Add(&auditlog.Event{Verb: verb, Object: auditlog.ObjectRef{Resource: "limitranges", Namespace: "shop", Name: name}, Completed: after, Status: auditlog.Status{Code: 200}})
		return &h
	}
	for what, test := range map[string]struct {
		facts   later
		history *replay.History
		verdict decision.Verdict
		why     string
	}{
		"there before":             {later{shop, decision.Facts{LimitRanges: []*corev1.LimitRange{limitRange("most", "50", before)}}}, nil, decision.VerdictDeny, ""},
		"created later":            {later{shop, decision.Facts{LimitRanges: []*corev1.LimitRange{limitRange("most", "50", after)}}}, nil, decision.VerdictAllow, ""},
		"changed after the write":  {later{shop, decision.Facts{LimitRanges: []*corev1.LimitRange{limitRange("most", "5000", before)}}}, nil, decision.VerdictUnknown, "changed later"},
		"updated later in the log": {later{shop, decision.Facts{LimitRanges: []*corev1.LimitRange{limitRange("most", "", before)}}}, change("update", "most"), decision.VerdictUnknown, "changed later in the log"},
		"deleted later in the log": {later{shop, decision.Facts{}}, change("delete", "gone"), decision.VerdictUnknown, "changed later in the log"},
		"none":                     {later{shop, decision.Facts{}}, nil, decision.VerdictAllow, ""},
		"another namespace":        {later{nil, decision.Facts{}}, nil, decision.VerdictUnknown, "are not in the facts"},
	} {
		l := newLog(t, replay.Options{Snapshot: snapshot(t, "limitrange-fit"), Facts: &test.facts, History: test.history})
		o := want(t, what, l.write("create", "apps/deployments", "web", big), test.verdict)
		if test.why != "" && !strings.Contains(o.Validating.Findings[0].Unknown, test.why) {
			t.Errorf("%s: %s", what, o.Validating.Findings[0].Unknown)
		}
	}
}

// A log that has no write of a resource may leave it out.
func TestFactsThatTheLogLeavesOut(t *testing.T) {
	l := newBareLog(t, replay.Options{Snapshot: snapshot(t, "limitrange-fit")})
	namespaceOf(l, nil)
	o := want(t, "no LimitRange in the log", l.write("create", "apps/deployments", "a", deployment(bad)), decision.VerdictUnknown)
	if why := o.Validating.Findings[0].Unknown; !strings.Contains(why, "the log has no write of LimitRanges") {
		t.Errorf("%s", why)
	}
	var history replay.History
	history.Add(&auditlog.Event{Verb: "create", Object: auditlog.ObjectRef{Resource: "limitranges", Namespace: "other", Name: "x"}, Status: auditlog.Status{Code: 201}})
	l = newBareLog(t, replay.Options{Snapshot: snapshot(t, "limitrange-fit"), History: &history})
	namespaceOf(l, nil)
	want(t, "there is one later", l.write("create", "apps/deployments", "a", deployment(bad)), decision.VerdictAllow)
}

// The labels of a namespace count as known only if they are those of the moment.
func TestNamespacesOfALaterTime(t *testing.T) {
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
	restricted := map[string]string{"taffrail.dev/exposure": "restricted"}
	old := later{namespaces: map[string]decision.Namespace{"shop": {Name: "shop", Known: true, Labels: restricted}}}
	again := later{namespaces: map[string]decision.Namespace{"shop": {Name: "shop", Known: true, Labels: restricted, Created: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}}}
	var changed replay.History
	changed.Add(&auditlog.Event{
		Verb: "patch", Object: auditlog.ObjectRef{Resource: "namespaces", Namespace: "shop", Name: "shop"}, Completed: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), Status: auditlog.Status{Code: 200},
	})
	want(t, "as it is later", newLog(t, replay.Options{Snapshot: s, Facts: &old}).write("create", "apps/deployments", "a", deployment(bad)), decision.VerdictDeny)
	want(t, "created again later", newLog(t, replay.Options{Snapshot: s, Facts: &again}).write("create", "apps/deployments", "a", deployment(bad)), decision.VerdictUnknown)
	want(t, "changed later", newLog(t, replay.Options{Snapshot: s, Facts: &old, History: &changed}).write("create", "apps/deployments", "a", deployment(bad)), decision.VerdictUnknown)
	l := newLog(t, replay.Options{Snapshot: s, Facts: &old})
	l.write("patch", "namespaces", "shop", nil, atLevel(auditlog.LevelMetadata))
	want(t, "written without its object", l.write("create", "apps/deployments", "a", deployment(bad)), decision.VerdictUnknown)
}

// An older state of a fact never replaces a newer one.
func TestFactsOutOfOrder(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "limitrange-fit")})
	namespaceOf(l, nil)
	big := deployment(good)
	big["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)["resources"] = map[string]any{"limits": map[string]any{"cpu": "2"}}
	limit := func(most string) map[string]any {
		return map[string]any{
			"apiVersion": "v1", "kind": "LimitRange", "metadata": map[string]any{"name": "most", "namespace": "shop", "uid": "l1"},
			"spec": map[string]any{"limits": []any{map[string]any{"type": "Container", "max": map[string]any{"cpu": most}}}},
		}
	}
	l.version = 300
	l.write("update", "limitranges", "most", limit("1"))
	l.version = 200
	l.write("update", "limitranges", "most", limit("4"))
	l.version = 400
	want(t, "the newer maximum", l.write("create", "apps/deployments", "a", big), decision.VerdictDeny)
}

// A LimitRange that is written at the same time may count or not.
func TestFactsOfTheSameTime(t *testing.T) {
	l := newLog(t, replay.Options{Snapshot: snapshot(t, "limitrange-fit")})
	namespaceOf(l, nil)
	l.write("create", "limitranges", "most", map[string]any{"apiVersion": "v1", "kind": "LimitRange", "metadata": map[string]any{"name": "most", "namespace": "shop"}, "spec": map[string]any{}})
	early := func(e *auditlog.Event) { e.Received = e.Completed.Add(-3 * time.Second) }
	o := want(t, "at the same time", l.write("create", "apps/deployments", "a", deployment(good), early), decision.VerdictUnknown)
	if why := o.Validating.Findings[0].Unknown; !strings.Contains(why, "were changed while the write was made") {
		t.Errorf("%s", why)
	}
	want(t, "later", l.write("create", "apps/deployments", "b", deployment(good)), decision.VerdictAllow)
}
