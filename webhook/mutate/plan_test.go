package mutate_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/mutate"
	"taffrail.dev/webhook/review"
)

// What becomes of a wish says who wished it, for what, and under which mode.
func TestWhatBecomesOfAWish(t *testing.T) {
	r := &review.Request{Workload: &review.Workload{Containers: []review.Container{{Name: "a", Type: review.ContainerApp}, {Name: "b", Type: review.ContainerApp}}}}
	wish := func(bound int, guardrail string, mode review.Mode, container, value string) mutate.Wish {
		return mutate.Wish{Bound: bound, Policy: "p", Guardrail: guardrail, Mode: mode, Intent: review.Intent{Container: container, Field: "resources.limits.cpu", Value: value}}
	}
	left := wish(3, "g", review.ModeAudit, "a", "1")
	left.Left, left.Undecided = "it is older", true
	fill := func(mode review.Mode, container, value string, guardrails ...string) review.Fill {
		return review.Fill{Policy: "p", Guardrails: guardrails, Mode: mode, Container: container, Field: "resources.limits.cpu", Value: value}
	}
	ofLeft := fill(review.ModeAudit, "a", "1", "g")
	ofLeft.Left, ofLeft.Undecided = "it is older", true
	for name, c := range map[string]struct {
		wishes []mutate.Wish
		want   mutate.Plan
	}{
		"none":         {nil, mutate.Plan{}},
		"one":          {[]mutate.Wish{wish(1, "g", review.ModeEnforce, "a", "1")}, mutate.Plan{Fills: []review.Fill{fill(review.ModeEnforce, "a", "1", "g")}}},
		"one left":     {[]mutate.Wish{left}, mutate.Plan{Fills: []review.Fill{ofLeft}}},
		"the same two": {[]mutate.Wish{wish(1, "h", review.ModeEnforce, "a", "1"), wish(2, "g", review.ModeEnforce, "a", "1000m"), wish(4, "h", review.ModeEnforce, "a", "1")}, mutate.Plan{Fills: []review.Fill{fill(review.ModeEnforce, "a", "1", "g", "h")}}},
		"the stricter": {[]mutate.Wish{wish(1, "h", review.ModeWarn, "a", "1"), wish(2, "g", review.ModeEnforce, "a", "2"), wish(3, "i", review.ModeAudit, "a", "3")}, mutate.Plan{Fills: []review.Fill{fill(review.ModeEnforce, "a", "2", "g")}}},
		"enforced first": {
			[]mutate.Wish{wish(1, "h", review.ModeWarn, "a", "1"), wish(2, "g", review.ModeEnforce, "b", "2")},
			mutate.Plan{Fills: []review.Fill{fill(review.ModeEnforce, "b", "2", "g"), fill(review.ModeWarn, "a", "1", "h")}},
		},
		"two that disagree": {[]mutate.Wish{wish(1, "h", review.ModeEnforce, "a", "1"), wish(2, "g", review.ModeEnforce, "a", "2")}, mutate.Plan{Gaps: []mutate.Gap{{
			Bound: 1, Mode: review.ModeEnforce, Policy: "p", Guardrails: []string{"g", "h"}, Container: "a", Field: "resources.limits.cpu",
			Reason: "not set: Guardrails disagree, h asks for 1, g for 2",
		}}}},
		"one that cannot be": {[]mutate.Wish{wish(7, "h", review.ModeWarn, "c", "1")}, mutate.Plan{Gaps: []mutate.Gap{{
			Bound: 7, Mode: review.ModeWarn, Policy: "p", Guardrails: []string{"h"}, Container: "c", Field: "resources.limits.cpu",
			Reason: "the Pod has no container of that name that can have resources",
		}}}},
	} {
		got, err := mutate.NewPlan(r, c.wishes)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got, err := mutate.NewPlan(&review.Request{}, []mutate.Wish{wish(1, "g", review.ModeEnforce, "a", "1")}); err != nil || len(got.Fills)+len(got.Gaps) > 0 {
		t.Errorf("of no Pod: got %+v, %v", got, err)
	}
}

func TestIntentsThatAreNone(t *testing.T) {
	r := &review.Request{Workload: &review.Workload{Containers: []review.Container{{Name: "a", Type: review.ContainerApp}}}}
	for want, intent := range map[string]review.Intent{
		`policy p: inject: "much" is no quantity`:                                                       {Container: "a", Field: "resources.limits.cpu", Value: "much"},
		`policy p: inject: "image" is no field to fill: use resources.requests.… or resources.limits.…`: {Container: "a", Field: "image", Value: "1"},
	} {
		_, err := mutate.NewPlan(r, []mutate.Wish{{Policy: "p", Intent: intent}})
		if bad := new(mutate.IntentError); !errors.As(err, &bad) || bad.Policy != "p" || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
