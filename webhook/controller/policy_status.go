package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// failsFor is how long a Policy counts as failing after its last failure.
const failsFor = 15 * time.Minute

// writePolicies updates the status of every Policy. It keeps each spec that compiles as the last good one.
func (w *statusWriter) writePolicies(ctx context.Context, compiled *outcome, sent *reached) error {
	var list v1alpha1.PolicyList
	if err := w.client.List(ctx, &list); err != nil {
		return fmt.Errorf("listing Policies: %w", err)
	}
	notSent := 0
	for i := range list.Items {
		p := &list.Items[i]
		problem, wrong, known := compiled.of(key{config.KindPolicy, p.Name}, p.Generation)
		if !known {
			continue // the next compilation calls this again
		}
		updated := p.DeepCopy()
		updated.Status.ObservedGeneration = p.Generation
		if !wrong && (p.Status.LastGood == nil || p.Status.LastGood.Spec != p.Spec) {
			updated.Status.LastGood = &v1alpha1.GoodPolicy{Generation: p.Generation, Spec: p.Spec}
		}
		conditions := []metav1.Condition{policyCondition(problem, wrong, p.Status.LastGood), healthyCondition(p, w.now())}
		if policy, inForce := compiled.snapshot.Catalog().Policy(p.Name); inForce && policy.User {
			conditions = append(conditions, coveredCondition(policy))
		} else {
			meta.RemoveStatusCondition(&updated.Status.Conditions, v1alpha1.ConditionCovered)
		}
		if deprecated, ok := deprecatedCondition(compiled.snapshot.Catalog(), p.Name); ok {
			conditions = append(conditions, deprecated)
		} else {
			meta.RemoveStatusCondition(&updated.Status.Conditions, v1alpha1.ConditionDeprecated)
		}
		for _, condition := range conditions {
			condition.ObservedGeneration = p.Generation
			meta.SetStatusCondition(&updated.Status.Conditions, condition)
		}
		setReached(&updated.Status.Conditions, sent.policy(p.Name, p.Generation), &notSent)
		if err := w.patch(ctx, p, updated); err != nil {
			return err
		}
	}
	w.metrics.Unreached(config.KindPolicy, notSent)
	return nil
}

func policyCondition(p config.Problem, wrong bool, good *v1alpha1.GoodPolicy) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionActive, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonCompiled,
		Message: "Guardrails can bind it.",
	}
	switch {
	case wrong && p.Inactive:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonInvalid
		c.Message = "No Guardrail can bind it: " + problemText(p)
	case wrong:
		c.Reason = v1alpha1.ReasonLastGood
		c.Message = fmt.Sprintf("The spec of generation %d stays in force: %s", good.Generation, problemText(p))
	}
	return c
}

func healthyCondition(p *v1alpha1.Policy, now time.Time) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionHealthy, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonEvaluates,
		Message: "It has not failed to decide an object recently.",
	}
	if last := p.Status.LastFailure; last != nil && last.Generation == p.Generation && now.Sub(last.Time.Time) < failsFor {
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonFails
		c.Message = "It could not decide some objects: " + last.Message
	}
	return c
}

// coveredCondition returns the condition Covered, which names the kinds that the Policy does not cover.
func coveredCondition(policy *rego.Policy) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionCovered, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonEveryKind,
		Message: "It covers every kind from which its objects are created.",
	}
	notes, covered := policy.KindNotes()
	if len(notes) > 0 {
		c.Reason, c.Message = v1alpha1.ReasonKindsCompleted, decision.Line(strings.Join(notes, " "), maxConditionMessage)
	}
	if !covered {
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonKindsMissing
	}
	if facts := policy.FactNotes(); len(facts) > 0 {
		c.Message = decision.Line(c.Message+" "+strings.Join(facts, " "), maxConditionMessage)
	}
	return c
}

// deprecatedCondition returns the condition of a Policy in force that must be changed before the next version
// of Taffrail.
func deprecatedCondition(catalog *rego.Catalog, name string) (c metav1.Condition, ok bool) {
	policy, inForce := catalog.Policy(name)
	if !inForce || len(policy.Deprecations()) == 0 {
		return c, false
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionDeprecated, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonParametersByID,
		Message: decision.Line(strings.Join(policy.Deprecations(), " "), maxConditionMessage),
	}, true
}
