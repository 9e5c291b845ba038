package controller

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
)

func newPolicy(name, rego string, generation int64) *v1alpha1.Policy {
	return &v1alpha1.Policy{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: generation},
		Spec:       v1alpha1.PolicySpec{Rego: rego, FailurePolicy: v1alpha1.PolicyFailureIgnore},
	}
}

// writePolicy writes the status of one Policy and returns the stored object.
func writePolicy(t *testing.T, p *v1alpha1.Policy, problem *config.Problem, now time.Time) *v1alpha1.Policy {
	t.Helper()
	return writePolicyIn(t, snapshotOf(t, config.Objects{}), p, problem, now)
}

func writePolicyIn(t *testing.T, snapshot *config.Snapshot, p *v1alpha1.Policy, problem *config.Problem, now time.Time) *v1alpha1.Policy {
	t.Helper()
	c := store(t, new(atomic.Int32), p)
	compiled := &outcome{
		snapshot: snapshot, generations: map[key]int64{{"Policy", p.Name}: p.Generation}, problems: map[key]config.Problem{},
	}
	if problem != nil {
		compiled.problems[key{"Policy", p.Name}] = *problem
	}
	w := newTestStatusWriter(c, compiled, func(o *statusOptions) { o.now = func() time.Time { return now } })
	if _, err := w.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored := &v1alpha1.Policy{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(p), stored); err != nil {
		t.Fatal(err)
	}
	return stored
}

// The last spec that compiled is kept; one that does not compile never replaces it.
func TestTheLastGoodSpecOfAPolicyIsKept(t *testing.T) {
	now := time.Now()
	first := writePolicy(t, newPolicy("own", "good", 1), nil, now)
	if good := first.Status.LastGood; good == nil || good.Generation != 1 || good.Spec.Rego != "good" {
		t.Fatalf("%+v", good)
	}
	broken := first.DeepCopy()
	broken.ResourceVersion, broken.Generation, broken.Spec.Rego = "", 2, "broken"
	problem := &config.Problem{Errors: field.ErrorList{field.Forbidden(field.NewPath("spec", "rego"), "Policy/own:12: rego_type_error")}}
	second := writePolicy(t, broken, problem, now)
	if good := second.Status.LastGood; good.Generation != 1 || good.Spec.Rego != "good" {
		t.Errorf("%+v", good)
	}
	if got := said(second.Status.Conditions)["Active"]; got[0] != "True" || got[1] != "LastGood" || !strings.Contains(got[2], "generation 1 stays in force") || !strings.Contains(got[2], "Policy/own:12") {
		t.Errorf("%v", got)
	}
	mended := second.DeepCopy()
	mended.ResourceVersion, mended.Generation, mended.Spec.Rego = "", 3, "better"
	if good := writePolicy(t, mended, nil, now).Status.LastGood; good.Generation != 3 || good.Spec.Rego != "better" {
		t.Errorf("%+v", good)
	}
	problem.Inactive = true
	never := writePolicy(t, newPolicy("new", "broken", 1), problem, now)
	if got := said(never.Status.Conditions)["Active"]; never.Status.LastGood != nil || got[0] != "False" || got[1] != "Invalid" {
		t.Errorf("%+v", never.Status)
	}
}

// A deprecated construct stays in the status until it is changed.
func TestAPolicyThatReadsParametersUnderItsIDIsDeprecated(t *testing.T) {
	const rego = "# METADATA\n# title: T\n# description: D.\n# custom:\n#   id: own\n#   severity: low\n#   kinds: [ConfigMap]\n#   remediation: R.\n" +
		"package taffrail.user.own\n\ndeny contains {\"msg\": \"m\", \"path\": \"p\"} if input.parameters"
	p := newPolicy("own", rego+"[\"own\"].word\n", 1)
	p = writePolicyIn(t, snapshotOf(t, config.Objects{Policies: []v1alpha1.Policy{*p}}), p, nil, time.Now())
	if got := said(p.Status.Conditions)["Deprecated"]; got[0] != "True" || got[1] != "ParametersByID" || !strings.Contains(got[2], "Line 11 ") {
		t.Errorf("got %q", got)
	}
	p.ResourceVersion, p.Generation, p.Spec.Rego = "", 2, rego+".word\n"
	p = writePolicyIn(t, snapshotOf(t, config.Objects{Policies: []v1alpha1.Policy{*p}}), p, nil, time.Now())
	if got, there := said(p.Status.Conditions)["Deprecated"]; there {
		t.Errorf("got %q", got)
	}
}

func TestAPolicyThatFailsIsNotHealthyForAWhile(t *testing.T) {
	now := time.Now()
	failed := func(generation int64, ago time.Duration) *v1alpha1.EvaluationFailure {
		return &v1alpha1.EvaluationFailure{Generation: generation, Time: metav1.NewTime(now.Add(-ago)), Message: "eval_conflict_error at Policy/own:9"}
	}
	for name, test := range map[string]struct {
		last   *v1alpha1.EvaluationFailure
		status string
	}{
		"never":              {nil, "True"},
		"now":                {failed(3, 0), "False"},
		"long ago":           {failed(3, failsFor), "True"},
		"another spec of it": {failed(2, 0), "True"},
	} {
		p := newPolicy("own", "good", 3)
		p.Status.LastFailure = test.last
		got := said(writePolicy(t, p, nil, now).Status.Conditions)["Healthy"]
		if got[0] != test.status || (test.status == "False") != strings.Contains(got[2], "eval_conflict_error at Policy/own:9") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFailuresAreWrittenNowAndThen(t *testing.T) {
	var writes atomic.Int32
	c := store(t, &writes, newPolicy("own", "good", 3))
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	f := newPolicyFailures(policyFailuresOptions{trigger: newTrigger(0), client: c, now: func() time.Time { return now }, log: logr.Discard()})
	report := func() {
		for policy, message := range f.take() {
			if err := f.report(t.Context(), policy, message); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 1000 {
		f.note("own", errors.New("broken"))
		f.note("image-tag", errors.New("the library's have no status"))
		report()
	}
	if writes.Load() != 1 {
		t.Errorf("written %d times", writes.Load())
	}
	now = now.Add(failureGap)
	f.note("own", errors.New("broken again"))
	report()
	p := &v1alpha1.Policy{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "own"}, p); err != nil {
		t.Fatal(err)
	}
	if last := p.Status.LastFailure; writes.Load() != 2 || last.Message != "broken again" || last.Generation != 3 || !last.Time.Time.Equal(now) {
		t.Errorf("written %d times: %+v", writes.Load(), last)
	}
	for i := range 2 * maxFailures {
		f.note(strings.Repeat("x", i), errors.New("broken"))
	}
	if waiting := len(f.take()); waiting != maxFailures {
		t.Errorf("%d wait", waiting)
	}
}
