package audit

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/report"
	"taffrail.dev/webhook/request"
)

// bindingAll returns a configuration of the built-in Guardrails.
func bindingAll(t *testing.T) *config.Snapshot {
	t.Helper()
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, problems, err := config.Build(t.Context(), library, config.Objects{Guardrails: config.Default(library)})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return snapshot
}

// Only what a controller makes of a template is left out: an owner in any other object keeps nobody from looking at it.
func TestWhatIsMadeFromTemplates(t *testing.T) {
	decider := pipeline.New(bindingAll(t), place{}, pipeline.Options{})
	pod, set, service := corev1.SchemeGroupVersion.WithKind("Pod"), schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, corev1.SchemeGroupVersion.WithKind("Service")
	configMap, namespace := corev1.SchemeGroupVersion.WithKind("ConfigMap"), corev1.SchemeGroupVersion.WithKind("Namespace")
	for _, c := range []struct {
		kind   schema.GroupVersionKind
		owner  request.Owner
		mirror bool
		want   bool
	}{
		{pod, request.Owner{}, false, true},
		{pod, request.Owner{Group: "apps", Kind: "ReplicaSet"}, false, false},
		{pod, request.Owner{Group: "batch", Kind: "Job"}, false, false},
		{pod, request.Owner{Kind: "ReplicationController"}, false, false},
		{pod, request.Owner{Group: "apps", Kind: "Deployment"}, false, true}, // it makes ReplicaSets
		{pod, request.Owner{Group: "example.com", Kind: "ReplicaSet"}, false, true},
		{pod, request.Owner{Kind: "Node"}, true, false},
		{pod, request.Owner{Kind: "Node"}, false, true},
		{set, request.Owner{Group: "apps", Kind: "Deployment"}, false, false},
		{set, request.Owner{Group: "apps", Kind: "ReplicaSet"}, false, true},
		{service, request.Owner{Group: "apps", Kind: "Deployment"}, false, true},
		{service, request.Owner{Group: "batch", Kind: "Job"}, false, true},
		{configMap, request.Owner{Kind: "ReplicationController"}, false, true},
		{configMap, request.Owner{Kind: "Node"}, true, true},
		{namespace, request.Owner{Group: "apps", Kind: "Deployment"}, false, true},
	} {
		found := &request.Metadata{Namespace: "shop", Name: "shop", Controller: c.owner, Mirror: c.mirror}
		if got := newKindDecider(decider, place{}, c.kind).decides(t.Context(), found); got != c.want {
			t.Errorf("%s of %+v: decided: %t", c.kind.Kind, c.owner, got)
		}
	}
}

// Namespaces are decided by the Guardrails that select them, and count in these.
func TestNamespacesAreInThemselves(t *testing.T) {
	kind := newKindDecider(pipeline.New(bindingAll(t), place{}, pipeline.Options{}), place{}, corev1.SchemeGroupVersion.WithKind("Namespace"))
	for name, want := range map[string]bool{"shop": true, "kube-system": false} {
		if got := kind.decides(t.Context(), &request.Metadata{Name: name}); got != want {
			t.Errorf("Namespace %s is decided: %t", name, got)
		}
	}
}

// passing returns an object and what is decided about it by two policies, of which one applies to Pods alone.
func passing(t *testing.T, image string, owner *request.Owner) *Scanned {
	t.Helper()
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, problems, err := config.Build(t.Context(), library, config.Objects{
		Policies: []v1alpha1.Policy{{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: v1alpha1.PolicySpec{Rego: "# METADATA\n# title: t\n# description: d\n" +
			"# custom:\n#   id: own\n#   severity: low\n#   kinds: [Pod]\n#   remediation: r\npackage taffrail.user.own\n\n" +
			`deny contains {"msg": "m", "path": "spec"} if input.object.spec.containers[0].image == "broken"` + "\n"}}},
		Guardrails: []v1alpha1.Guardrail{{ObjectMeta: metav1.ObjectMeta{Name: "g"}, Spec: v1alpha1.GuardrailSpec{
			Mode: v1alpha1.ModeEnforce, Policies: []v1alpha1.PolicyBinding{{Name: "own"}, {Name: "image-tag"}, {Name: "no-bare-pod"}},
		}}},
	})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	var object map[string]any
	if err := json.Unmarshal(stored(t, "shop", "a", image, 1), &object); err != nil {
		t.Fatal(err)
	}
	found := request.Metadata{Namespace: "shop", Name: "a"}
	if owner != nil {
		found.Controller = *owner
		object["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{
			"apiVersion": owner.Group + "/v1", "kind": owner.Kind, "name": "o", "uid": "u", "controller": true,
		}}
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	kind := newKindDecider(pipeline.New(snapshot, place{}, pipeline.Options{}), place{}, corev1.SchemeGroupVersion.WithKind("Pod"))
	if !kind.decides(t.Context(), &found) {
		t.Fatal("it is not decided")
	}
	return kind.decide(t.Context(), &found, text)
}

// Of an object that was made from a template, only the policies count that decide it.
func TestWhatPasses(t *testing.T) {
	set := &request.Owner{Group: "apps", Kind: "ReplicaSet"}
	for _, c := range []struct {
		image            string
		owner            *request.Owner
		passed, findings int
	}{
		{"nginx:1", nil, 2, 1}, {"nginx", nil, 1, 2}, {"broken", nil, 0, 3}, {"nginx", set, 1, 0}, {"broken", set, 0, 1},
	} {
		got := passing(t, c.image, c.owner)
		if got.Err != nil || got.FromTemplate != (c.owner != nil) || got.Passed != c.passed || len(got.Decision.Findings) != c.findings {
			t.Errorf("%s of %+v: %d passed, %+v, %v", c.image, c.owner, got.Passed, got.Decision, got.Err)
		}
	}
	// It does not count as an object either.
	p := newAuditedPods(t)
	for _, scanned := range []*Scanned{passing(t, "nginx", set), passing(t, "broken", nil)} {
		scanned.UID = scanned.Decision.Verdict.String()
		p.decided(t.Context(), uidOf(scanned.UID), scanned, causeListed)
	}
	if state := p.auditor.State(); state.Objects[p.kind] != 1 || p.passedIn("shop") != 1 {
		t.Errorf("%+v, %d passed", state.Objects, p.passedIn("shop"))
	}
}

// panicking panics when a Pod is decided.
type panicking struct{ place }

func (panicking) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	panic("boom")
}

// A panic is about the object alone, and is not tried again.
func TestAPanicIsAboutTheObject(t *testing.T) {
	kind := newKindDecider(pipeline.New(bindingAll(t), panicking{}, pipeline.Options{}), place{}, corev1.SchemeGroupVersion.WithKind("Pod"))
	got := kind.decide(t.Context(), &request.Metadata{Namespace: "shop", Name: "a"}, stored(t, "shop", "a", "nginx", 1))
	if _, ok := errors.AsType[*panicError](got.Err); !ok || got.Decision != nil || strings.Contains(got.Err.Error(), "boom") || !isAboutObject(got.Err) {
		t.Errorf("%+v", got)
	}
}

// Whoever writes an object chooses parts of the texts about it, which do not stay in memory.
func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	f := newFindings()
	object := &request.Metadata{Namespace: "shop", Name: "a", UID: "u"}
	all := []decision.Finding{{Policy: "p", Container: long, Key: long + "1", Path: long, Message: long, Unknown: long}, {Policy: "p", Container: long, Key: long + "2"}}
	f.set(uidOf("u"), corev1.SchemeGroupVersion.WithKind("Pod"), object, long, all, time.Unix(0, 0))
	found, _ := f.in("shop")
	if len(found) != 1 || len(found[0].Findings) != 2 || len(found[0].Owner) > 2*report.MaxText {
		t.Fatalf("%d objects", len(found))
	}
	for i, got := range found[0].Findings {
		for _, text := range []string{got.Container, got.Key, got.Path, got.Message, got.Unknown} {
			if len(text) > 2*report.MaxText {
				t.Errorf("%d bytes are kept", len(text))
			}
		}
		if report.ResultID("u", &got.Finding) != report.ResultID("u", &all[i]) {
			t.Error("what is kept has another ID")
		}
	}
	if found[0].Findings[0].Key == found[0].Findings[1].Key {
		t.Error("two keys are one")
	}
}

// Findings were first seen when an earlier audit has seen them, as soon as that is known.
func TestRecall(t *testing.T) {
	p := newAuditedPods(t)
	p.bring(t, causeListed, stored(t, "shop", "a", "nginx", 5))
	p.bring(t, causeListed, stored(t, "other", "b", "nginx", 5))
	p.changes = nil
	objects, _ := p.auditor.Findings("shop")
	id := report.ResultID(objects[0].UID, &objects[0].Findings[0].Finding)
	earlier := p.now.Add(-time.Hour)
	for _, at := range []time.Time{earlier, p.now.Add(time.Hour)} {
		p.auditor.Recall(func(asked string) (time.Time, bool) { return at, asked == id })
		if objects, _ = p.auditor.Findings("shop"); !objects[0].Findings[0].FirstSeen.Equal(earlier) {
			t.Errorf("first seen at %s", objects[0].Findings[0].FirstSeen)
		}
	}
	if len(p.changes) != 1 || p.changes[0] != "shop" {
		t.Errorf("changes in %q", p.changes)
	}
}
