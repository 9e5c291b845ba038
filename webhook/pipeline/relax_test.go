package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

// relaxers lists the Guardrails that the user may relax.
type relaxers struct {
	names []string
	asked []string
	err   error
}

func (r *relaxers) MayRelax(_ context.Context, user decision.User, guardrail string) (bool, error) {
	r.asked = append(r.asked, user.Name+" "+guardrail)
	return slices.Contains(r.names, guardrail), r.err
}

func relabel(before, after map[string]any) *decision.Request {
	object := func(labels map[string]any) map[string]any {
		return map[string]any{"metadata": map[string]any{"name": "team-a", "labels": labels}}
	}
	return &decision.Request{
		Operation: decision.Update, Kind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, Name: "team-a",
		User: decision.User{Name: "alice"}, Object: object(after), OldObject: object(before),
	}
}

func TestRelax(t *testing.T) {
	selecting := func(g v1alpha1.Guardrail, label string) v1alpha1.Guardrail {
		g.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{label: "on"}}
		return g
	}
	s := build(
		t,
		selecting(guardrail("hard", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("require-probes", "")), "hard"),
		selecting(guardrail("soft", v1alpha1.ModeWarn, binding("require-prestop", "")), "soft"),
		selecting(guardrail("quiet", v1alpha1.ModeAudit, binding("app-label", "")), "quiet"),
	)
	all := map[string]any{"hard": "on", "soft": "on", "quiet": "on"}
	without := func(labels ...string) map[string]any {
		left := map[string]any{}
		for label, value := range all {
			if !slices.Contains(labels, label) {
				left[label] = value
			}
		}
		return left
	}
	broken := errors.New("the API server is unavailable")
	for name, test := range map[string]struct {
		after   map[string]any
		may     relaxers
		ceiling decision.Mode
		verdict decision.Verdict
		asked   int
		fails   bool
	}{
		"nothing changes":              {all, relaxers{}, 0, decision.VerdictAllow, 0, false},
		"enforced":                     {without("hard"), relaxers{}, 0, decision.VerdictDeny, 1, false},
		"enforced, with the right":     {without("hard"), relaxers{names: []string{"hard"}}, 0, decision.VerdictAllow, 1, false},
		"enforced, with another right": {without("hard"), relaxers{names: []string{"soft"}}, 0, decision.VerdictDeny, 1, false},
		"warned":                       {without("soft"), relaxers{}, 0, decision.VerdictWarn, 1, false},
		"recorded":                     {without("quiet"), relaxers{}, 0, decision.VerdictAllow, 1, false},
		"all":                          {nil, relaxers{}, 0, decision.VerdictDeny, 3, false},
		"all, with the right to one":   {nil, relaxers{names: []string{"hard"}}, 0, decision.VerdictWarn, 3, false},
		"enforced, under warn":         {without("hard"), relaxers{}, decision.ModeWarn, decision.VerdictWarn, 1, false},
		"enforced, under audit":        {without("hard"), relaxers{}, decision.ModeAudit, decision.VerdictAllow, 1, false},
		"enforced, and unknown":        {without("hard"), relaxers{err: broken}, 0, 0, 1, true},
		"warned, and unknown":          {without("soft"), relaxers{err: broken}, 0, decision.VerdictWarn, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := pipeline.New(s, nil, pipeline.Options{MaxMode: test.ceiling}).Relax(t.Context(), relabel(all, test.after), &test.may)
			if (err != nil) != test.fails || len(test.may.asked) != test.asked {
				t.Fatalf("%v, asked %q", err, test.may.asked)
			}
			if !test.fails && d.Verdict != test.verdict {
				t.Errorf("%s: %+v", d.Verdict, d.Findings)
			}
		})
	}
	created := relabel(nil, all)
	created.Operation, created.OldObject = decision.Create, nil
	if d, err := pipeline.New(s, nil, pipeline.Options{}).Relax(t.Context(), created, &relaxers{}); err != nil || len(d.Findings) > 0 {
		t.Errorf("a Namespace that is created: %+v, %v", d, err)
	}
}

func TestRelaxSaysWhatToDo(t *testing.T) {
	g := guardrail("team", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("require-probes", ""))
	g.Spec.NamespaceSelector = &metav1.LabelSelector{
		MatchLabels:      map[string]string{"guard": "on"},
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "skip", Operator: metav1.LabelSelectorOpDoesNotExist}},
	}
	r := relabel(map[string]any{"guard": "on"}, map[string]any{"guard": "off", "skip": "yes", "other": "label"})
	r.User.Name = "system:serviceaccount:ci:deployer"
	d, err := pipeline.New(build(t, g), nil, pipeline.Options{}).Relax(t.Context(), r, &relaxers{})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(`
Namespace team-a would get fewer or weaker policies, and system:serviceaccount:ci:deployer is not permitted to relax 1 Guardrail:
- with guard=off instead of on and with skip=yes, Guardrail team no longer enforces image-tag, require-probes
    field:  metadata.labels
    fix:    Keep the labels as they are, or ask someone who may relax Guardrail team.
An administrator grants the permission with:
    kubectl create clusterrole relax-team --verb=relax --resource=guardrails.taffrail.dev --resource-name=team
    kubectl create clusterrolebinding relax-team --clusterrole=relax-team --serviceaccount=ci:deployer`)
	if got := d.RelaxDenial(r.Subject(), r.User); got != want {
		t.Errorf("got\n%s", got)
	}
	// An identity provider may allow any characters in a name, and the message has a line to paste into a
	// shell.
	if words := d.RelaxDenial(r.Subject(), decision.User{Name: "x'; rm -rf $HOME #"}); !strings.Contains(words, `--user='x'\''; rm -rf $HOME #'`) {
		t.Errorf("got\n%s", words)
	}
}
