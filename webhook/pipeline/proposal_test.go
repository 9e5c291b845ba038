package pipeline

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/resources"
)

// The outcome of a proposal names its policy, its Guardrails, its mode and the field.
func TestWhatBecomesOfAProposal(t *testing.T) {
	r := &decision.Request{Workload: &decision.Workload{Containers: []decision.Container{{Name: "a", Type: decision.ContainerApp}, {Name: "b", Type: decision.ContainerApp}}}}
	asks := func(binding int, guardrail string, mode decision.Mode, container, value string) proposal {
		return proposal{Binding: binding, Policy: "p", Guardrail: guardrail, Mode: mode, Intent: decision.Intent{Container: container, Field: "resources.limits.cpu", Value: value}}
	}
	left := asks(3, "g", decision.ModeAudit, "a", "1")
	left.SkipReason, left.Undecided = "it is older", true
	fill := func(mode decision.Mode, container, value string, guardrails ...string) decision.Fill {
		return decision.Fill{Policy: "p", Guardrails: guardrails, Mode: mode, Container: container, Field: "resources.limits.cpu", Value: value}
	}
	ofLeft := fill(decision.ModeAudit, "a", "1", "g")
	ofLeft.SkipReason, ofLeft.Undecided = "it is older", true
	for name, c := range map[string]struct {
		proposals []proposal
		want      injectionPlan
	}{
		"none":         {nil, injectionPlan{}},
		"one":          {[]proposal{asks(1, "g", decision.ModeEnforce, "a", "1")}, injectionPlan{Fills: []decision.Fill{fill(decision.ModeEnforce, "a", "1", "g")}}},
		"one left":     {[]proposal{left}, injectionPlan{Fills: []decision.Fill{ofLeft}}},
		"the same two": {[]proposal{asks(1, "h", decision.ModeEnforce, "a", "1"), asks(2, "g", decision.ModeEnforce, "a", "1000m"), asks(4, "h", decision.ModeEnforce, "a", "1")}, injectionPlan{Fills: []decision.Fill{fill(decision.ModeEnforce, "a", "1", "g", "h")}}},
		"the stricter": {[]proposal{asks(1, "h", decision.ModeWarn, "a", "1"), asks(2, "g", decision.ModeEnforce, "a", "2"), asks(3, "i", decision.ModeAudit, "a", "3")}, injectionPlan{Fills: []decision.Fill{fill(decision.ModeEnforce, "a", "2", "g")}}},
		"enforced first": {
			[]proposal{asks(1, "h", decision.ModeWarn, "a", "1"), asks(2, "g", decision.ModeEnforce, "b", "2")},
			injectionPlan{Fills: []decision.Fill{fill(decision.ModeEnforce, "b", "2", "g"), fill(decision.ModeWarn, "a", "1", "h")}},
		},
		"two that disagree": {[]proposal{asks(1, "h", decision.ModeEnforce, "a", "1"), asks(2, "g", decision.ModeEnforce, "a", "2")}, injectionPlan{Gaps: []injectionGap{{
			Binding: 1, Mode: decision.ModeEnforce, Policy: "p", Guardrails: []string{"g", "h"}, Container: "a", Field: "resources.limits.cpu",
			Reason: "Guardrails disagree, so it is not set: h requires 1 and g requires 2",
		}}}},
		"one that cannot be": {[]proposal{asks(7, "h", decision.ModeWarn, "c", "1")}, injectionPlan{Gaps: []injectionGap{{
			Binding: 7, Mode: decision.ModeWarn, Policy: "p", Guardrails: []string{"h"}, Container: "c", Field: "resources.limits.cpu",
			Reason: "the Pod has no container of that name that can have resources",
		}}}},
	} {
		got, err := planInjection(r, c.proposals)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range c.want.Fills {
			if f.Mode == decision.ModeEnforce {
				c.want.Enforced = append(c.want.Enforced, resources.Fill{
					Container: f.Container, Field: resources.Field{Resource: corev1.ResourceCPU}, Value: resource.MustParse(f.Value),
				})
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got, err := planInjection(&decision.Request{}, []proposal{asks(1, "g", decision.ModeEnforce, "a", "1")}); err != nil || len(got.Fills)+len(got.Gaps) > 0 {
		t.Errorf("of no Pod: got %+v, %v", got, err)
	}
}

func TestIntentsThatAreNone(t *testing.T) {
	r := &decision.Request{Workload: &decision.Workload{Containers: []decision.Container{{Name: "a", Type: decision.ContainerApp}}}}
	for want, intent := range map[string]decision.Intent{
		`policy p: inject: "much" is not a quantity`: {Container: "a", Field: "resources.limits.cpu", Value: "much"},
		`policy p: inject: "resources.claims.cpu" is not a field that can be filled in: use resources.requests.… or resources.limits.…`: {Container: "a", Field: "resources.claims.cpu", Value: "1"},
		`policy p: inject: "image" is not a field that can be filled in: use resources.requests.… or resources.limits.…`:                {Container: "a", Field: "image", Value: "1"},
	} {
		_, err := planInjection(r, []proposal{{Policy: "p", Intent: intent}})
		if bad := new(intentError); !errors.As(err, &bad) || bad.Policy != "p" || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
