package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// place is a cluster of two namespaces. Facts of the namespace broken cannot be read.
type place struct{}

var errBroken = errors.New("broken")

func (place) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	switch name {
	case "broken":
		return decision.Namespace{}, errBroken
	case "gone":
		return decision.Namespace{}, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, name)
	}
	return decision.Namespace{Name: name, Known: true, Labels: map[string]string{"team": "of-" + name}}, nil
}

func (place) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return decision.Facts{}, nil
}

func (place) Namespaces(context.Context) ([]decision.Namespace, error) {
	return []decision.Namespace{{Name: "shop", Known: true}, {Name: "other", Known: true}}, nil
}

// audited is an auditor of Pods whose objects a test brings by itself.
type auditedPods struct {
	*kindAuditor

	changes []string
	now     time.Time
}

func newAuditedPods(t *testing.T) *auditedPods {
	t.Helper()
	p := &auditedPods{now: time.Unix(1800000000, 0)}
	objects, err := NewObjects(&rest.Config{Host: "http://127.0.0.1:1"}, ObjectsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a := NewAuditor(AuditorOptions{
		Objects: objects, Facts: place{}, Pace: 1e9, Resync: time.Hour, OwnerLabels: []string{"owner", "team"},
		Changed: func(namespace string) { p.changes = append(p.changes, namespace) }, StateChanged: func() {},
		Now: func() time.Time { return p.now }, Log: logr.Discard(),
	})
	mapping := &meta.RESTMapping{Resource: corev1.SchemeGroupVersion.WithResource("pods"), GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Pod"), Scope: meta.RESTScopeNamespace}
	p.kindAuditor = newKindAuditor(a, mapping)
	a.kinds[mapping.GroupVersionKind.GroupKind()] = &runningKind{p.kindAuditor, func() {}, nil}
	p.configure(t, v1alpha1.ModeEnforce)
	return p
}

func (p *auditedPods) configure(t *testing.T, mode v1alpha1.Mode) {
	t.Helper()
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, problems, err := config.Build(t.Context(), library, config.Objects{Guardrails: []v1alpha1.Guardrail{{
		ObjectMeta: metav1.ObjectMeta{Name: "g"}, Spec: v1alpha1.GuardrailSpec{Mode: mode, Policies: []v1alpha1.PolicyBinding{{Name: "image-tag"}, {Name: "app-label"}}},
	}}})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	p.auditor.current.Store(pipeline.New(snapshot, place{}, pipeline.Options{}))
	p.reset()
}

// stored returns a Pod as the API server sends it.
func stored(t *testing.T, namespace, name, image string, version int) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"namespace": namespace, "name": name, "uid": fmt.Sprintf("00000000-0000-0000-0000-%012s", strings.Map(digit, namespace+name)), "resourceVersion": fmt.Sprint(version),
			"labels": map[string]any{"app": "x"},
		},
		"spec":   map[string]any{"containers": []any{map[string]any{"name": "main", "image": image}}},
		"status": map[string]any{"version": version},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func digit(r rune) rune { return '0' + r%10 }

func (p *auditedPods) bring(t *testing.T, why cause, object []byte) {
	t.Helper()
	found, err := p.auditor.objects.Metadata(object)
	if err != nil {
		t.Fatal(err)
	}
	p.observe(t.Context(), &found, object, why)
}

func (p *auditedPods) drop(t *testing.T, object []byte) {
	t.Helper()
	found, err := p.auditor.objects.Metadata(object)
	if err != nil {
		t.Fatal(err)
	}
	p.delete(&found)
}

// names returns the objects of a namespace with findings, and how many decisions were made.
func (p *auditedPods) names(namespace string) (all []string, decisions Decisions) {
	objects, _ := p.auditor.Findings(namespace)
	for i := range objects {
		all = append(all, objects[i].Name)
	}
	return all, p.auditor.State().Decisions
}

func (p *auditedPods) want(t *testing.T, what string, names []string, decisions Decisions) {
	t.Helper()
	got, made := p.names("shop")
	if !slices.Equal(got, names) || made != decisions {
		t.Errorf("%s: findings in %q after %+v, want %q after %+v", what, got, made, names, decisions)
	}
}

func TestOnlyChangesAreDecided(t *testing.T) {
	p := newAuditedPods(t)
	p.bring(t, causeListed, stored(t, "shop", "a", "nginx", 5))
	p.want(t, "listed", []string{"a"}, Decisions{Listed: 1})
	p.bring(t, causeChanged, stored(t, "shop", "a", "nginx", 6))
	p.want(t, "a new status", []string{"a"}, Decisions{Listed: 1})
	p.bring(t, causeListed, stored(t, "shop", "a", "nginx", 7))
	p.want(t, "listed anew", []string{"a"}, Decisions{Listed: 1})
	p.bring(t, causeChanged, stored(t, "shop", "a", "nginx:1", 8))
	p.want(t, "fixed", nil, Decisions{Listed: 1, Changed: 1})
	p.concurrent = true
	p.bring(t, causeChanged, stored(t, "shop", "a", "nginx", 7))
	p.concurrent = false
	p.want(t, "an earlier version", nil, Decisions{Listed: 1, Changed: 1})
	p.bring(t, causeAgain, stored(t, "shop", "a", "nginx:1", 8))
	p.want(t, "again", nil, Decisions{Listed: 1, Changed: 1, Again: 1})
	if !slices.Equal(p.changes, []string{"shop", "shop"}) {
		t.Errorf("changes in %q", p.changes)
	}
}

func TestDeletedObjectsStayAway(t *testing.T) {
	p := newAuditedPods(t)
	p.bring(t, causeListed, stored(t, "shop", "a", "nginx", 5))
	p.pass++
	p.deleted = map[uid]struct{}{}
	p.drop(t, stored(t, "shop", "a", "nginx", 6))
	// The list was read before the object was deleted.
	p.bring(t, causeAgain, stored(t, "shop", "a", "nginx", 5))
	p.want(t, "deleted", nil, Decisions{Listed: 1})
	if len(p.entries) != 0 || len(p.tallies) != 0 {
		t.Errorf("%d entries and %d tallies are left", len(p.entries), len(p.tallies))
	}
}

// What a pass does not meet is gone, but only where the pass looked.
func TestSweep(t *testing.T) {
	p := newAuditedPods(t)
	for _, name := range []string{"a", "b"} {
		p.bring(t, causeListed, stored(t, "shop", name, "nginx", 5))
	}
	p.bring(t, causeListed, stored(t, "other", "c", "nginx", 5))
	p.pass++
	p.bring(t, causeListed, stored(t, "shop", "a", "nginx", 5))
	p.sweep(map[string]bool{"shop": true})
	p.want(t, "swept", []string{"a"}, Decisions{Listed: 3})
	if got, _ := p.names("other"); !slices.Equal(got, []string{"c"}) {
		t.Errorf("in other: %q", got)
	}
	p.pass++
	p.sweep(nil)
	if len(p.entries) != 0 || len(p.auditor.Namespaces()) != 0 {
		t.Errorf("%d entries are left, and findings in %q", len(p.entries), p.auditor.Namespaces())
	}
}

// A configuration that is in force decides; what an earlier audit saw keeps its time.
func TestFindingsFollowTheConfiguration(t *testing.T) {
	p := newAuditedPods(t)
	p.bring(t, causeListed, stored(t, "shop", "a", "nginx", 5))
	before, _ := p.auditor.Findings("shop")
	p.now = p.now.Add(time.Hour)
	p.configure(t, v1alpha1.ModeWarn)
	p.bring(t, causeAgain, stored(t, "shop", "a", "nginx", 5))
	after, passes := p.auditor.Findings("shop")
	if len(before) != 1 || len(after) != 1 || before[0].Findings[0].Mode != decision.ModeEnforce || after[0].Findings[0].Mode != decision.ModeWarn {
		t.Fatalf("%+v, then %+v", before, after)
	}
	if !after[0].Findings[0].FirstSeen.Equal(before[0].Findings[0].FirstSeen) || after[0].Owner != "of-shop" || passes.Passed != 1 {
		t.Errorf("%+v, %+v", after[0], passes)
	}
	by := p.auditor.ByGuardrail([]decision.Namespace{{Name: "shop", Known: true}})["g"]
	want := &GuardrailFindings{Objects: 1, Violating: 1, Policies: []PolicyFindings{{Policy: "image-tag", Mode: decision.ModeWarn, Findings: 1, Objects: 1}}}
	if diff := cmp.Diff(want, by); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What cannot be decided counts as that, and what is in a namespace that is gone does not count at all.
func TestUndecidedObjects(t *testing.T) {
	p := newAuditedPods(t)
	p.bring(t, causeListed, stored(t, "broken", "a", "nginx", 5))
	p.bring(t, causeListed, stored(t, "gone", "b", "nginx", 5))
	if state := p.auditor.State(); state.Undecided != 1 || state.Objects[schema.GroupKind{Kind: "Pod"}] != 1 {
		t.Errorf("%+v", state)
	}
	if due, wait := p.backlog.next(); !due.empty() || wait > settleLater {
		t.Errorf("due %+v, after %s", due, wait)
	}
	p.now = p.now.Add(settleLater)
	if due, _ := p.backlog.next(); !due.namespaces["broken"] || len(due.namespaces) != 1 {
		t.Errorf("due %+v", due)
	}
}

// While all kinds share the pace, a page is decided well within the API server's timeout of a minute.
func TestPageSize(t *testing.T) {
	p := newAuditedPods(t)
	for _, c := range []struct {
		pace  float64
		kinds int
		want  int
	}{{1e9, 1, maxPage}, {500, 15, maxPage}, {10, 1, 200}, {10, 20, 10}, {10, 1000, 1}} {
		p.auditor.options.Pace, p.auditor.kinds = c.pace, map[schema.GroupKind]*runningKind{}
		for i := range c.kinds {
			p.auditor.kinds[schema.GroupKind{Kind: fmt.Sprint("K", i)}] = nil
		}
		if got := p.auditor.pageSize(); got != c.want {
			t.Errorf("%v objects a second of %d kinds: pages of %d, want %d", c.pace, c.kinds, got, c.want)
		}
	}
}

// A version that goes back, as after a restored backup, is decided: only between a pass and its watch may one be late.
func TestVersionsThatGoBack(t *testing.T) {
	p := newAuditedPods(t)
	p.bring(t, causeListed, stored(t, "shop", "a", "nginx:1", 500))
	p.bring(t, causeListed, stored(t, "shop", "a", "nginx", 5))
	p.want(t, "listed", []string{"a"}, Decisions{Listed: 2})
	p.bring(t, causeChanged, stored(t, "shop", "a", "nginx:1", 6))
	p.want(t, "watched", nil, Decisions{Listed: 2, Changed: 1})
}

// Passes over what changes all the time take a fraction of the time.
func TestPassesRest(t *testing.T) {
	now := time.Unix(0, 0)
	b := newBacklog(func() time.Time { return now })
	for _, c := range []struct{ took, want time.Duration }{
		{time.Second, settleLater}, {10 * time.Second, 100 * time.Second}, {time.Hour, maxSettle}, {0, settleLater},
	} {
		b.addLater("a")
		now = now.Add(maxSettle)
		due, _ := b.next()
		now = now.Add(c.took)
		b.finish(due, nil)
		b.addLater("a")
		if _, wait := b.next(); wait != c.want {
			t.Errorf("after %s: %s, want %s", c.took, wait, c.want)
		}
		now = now.Add(maxSettle)
		due, _ = b.next()
		b.finish(due, nil)
	}
}

// Fingerprints are computed again only where they may have changed.
func TestScopes(t *testing.T) {
	snapshot := bindingAll(t)
	s, targets := newScopes(), Targets(snapshot)
	shop := decision.Namespace{Name: "shop", Known: true, Labels: map[string]string{"a": "1"}}
	namespaces := func() []decision.Namespace { return []decision.Namespace{shop, {Name: "other", Known: true}} }
	now := time.Unix(1800000000, 0)
	service := schema.GroupKind{Kind: "Service"}
	first := s.update(snapshot, targets, namespaces(), now)
	if got := first[service]; !slices.Equal(got, []string{"", "other", "shop"}) {
		t.Errorf("at first %q", got)
	}
	// What is not computed again is not repaired either.
	s.kinds[service]["shop"]++
	s.kinds[service]["other"]++
	if got := s.update(snapshot, targets, namespaces(), now); len(got[service]) > 0 {
		t.Errorf("nothing has changed, but %q", got)
	}
	shop.Labels = map[string]string{"taffrail.dev/exposure": "restricted"}
	if got := s.update(snapshot, targets, namespaces(), now); !slices.Equal(got[service], []string{"shop"}) {
		t.Errorf("relabelled: %q", got)
	}
	s.expiry = now
	if got := s.update(snapshot, targets, namespaces(), now); !slices.Equal(got[service], []string{"other"}) {
		t.Errorf("expired: %q", got)
	}
	s.forget("shop")
	if got := s.update(snapshot, targets, namespaces(), now); len(got[service]) > 0 || len(s.kinds[service]) != 3 {
		t.Errorf("new: %q", got)
	}
}

func TestBacklog(t *testing.T) {
	now := time.Unix(0, 0)
	b := newBacklog(func() time.Time { return now })
	b.addSoon("a")
	now = now.Add(settle / 2)
	b.addSoon("b")
	b.addLater("c")
	if due, wait := b.next(); !due.empty() || wait != settle/2 {
		t.Errorf("due %+v, after %s", due, wait)
	}
	now = now.Add(settle / 2)
	due, _ := b.next()
	if len(due.namespaces) != 2 || due.all || !b.waiting().Equal(time.Unix(0, 0)) {
		t.Errorf("due %+v, waiting since %s", due, b.waiting())
	}
	// What failed is tried again, and still waits since the change.
	b.finish(due, errBroken)
	now = now.Add(settleLater)
	if due, _ = b.next(); len(due.namespaces) != 3 || !due.since.Equal(time.Unix(0, 0)) {
		t.Errorf("due %+v", due)
	}
	b.finish(due, nil)
	if !b.waiting().IsZero() {
		t.Errorf("waiting since %s", b.waiting())
	}
	b.addAll()
	now = now.Add(settle)
	if due, _ = b.next(); !due.all {
		t.Errorf("due %+v", due)
	}
}
