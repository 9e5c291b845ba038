package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
)

// usageRefresh is the age at which an unchanged count is written again.
const usageRefresh = time.Hour

// writeExemptions updates the status of every Exemption. next is when the first of those in force expires, if
// that is within statusInterval.
func (w *statusWriter) writeExemptions(ctx context.Context, compiled *outcome) (next time.Time, err error) {
	var list v1alpha1.ExemptionList
	if err := w.client.List(ctx, &list); err != nil {
		return next, fmt.Errorf("listing Exemptions: %w", err)
	}
	namespaceOf, err := w.namespaceOf(ctx)
	if err != nil {
		return next, err
	}
	now := w.now()
	next = now.Add(statusInterval)
	for i := range list.Items {
		e := &list.Items[i]
		problem, wrong, known := compiled.of(key{config.KindExemption, e.Name}, e.Generation)
		if !known {
			continue // the next compilation calls this again
		}
		all := compiled.snapshot.Exemptions()
		var resolved *config.Exemption
		var honored []config.Honored
		end := time.Time{}
		if at := slices.IndexFunc(all, func(r *config.Exemption) bool { return r.Name == e.Name }); at >= 0 {
			resolved = all[at]
			honored = compiled.snapshot.Honored(resolved, namespaceOf, now)
			if end = resolved.End(honored); end.After(now) && end.Before(next) {
				next = end
			}
		}
		excuses, at := w.usage(compiled.snapshot.ID(), e.Name)
		updated := e.DeepCopy()
		updated.Status.ObservedGeneration = e.Generation
		setExcuses(&updated.Status, excuses, at)
		if resolved == nil {
			meta.RemoveStatusCondition(&updated.Status.Conditions, v1alpha1.ConditionExpiring)
		}
		if resolved == nil || !now.Before(end) {
			updated.Status.Excuses = nil
		}
		for _, condition := range exemptionConditions(e, resolved, honored, problem, wrong, excuses, now) {
			condition.ObservedGeneration = e.Generation
			meta.SetStatusCondition(&updated.Status.Conditions, condition)
		}
		if err := w.patch(ctx, e, updated); err != nil {
			return next, err
		}
	}
	return next, nil
}

// namespaceOf returns a lookup of existing namespaces.
func (w *statusWriter) namespaceOf(ctx context.Context) (func(name string) decision.Namespace, error) {
	all, err := w.namespaces(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	known := make(map[string]decision.Namespace, len(all))
	for _, namespace := range all {
		known[namespace.Name] = namespace
	}
	return func(name string) decision.Namespace {
		if namespace, exists := known[name]; exists {
			return namespace
		}
		return decision.Namespace{Name: name}
	}, nil
}

// setExcuses updates the count in a status, unless it is unchanged and not older than usageRefresh.
func setExcuses(s *v1alpha1.ExemptionStatus, found *audit.ExemptionUsage, at time.Time) {
	if found == nil {
		return
	}
	have := s.Excuses
	if have != nil && have.Findings == found.Findings && have.Objects == found.Objects && slices.Equal(have.NotCounted, found.NotCounted) &&
		at.Sub(have.CountedAt.Time) < usageRefresh {
		return
	}
	s.Excuses = &v1alpha1.Excuses{
		Findings: found.Findings, Objects: found.Objects, NotCounted: found.NotCounted, CountedAt: metav1.NewTime(at),
	}
}

// exemptionConditions returns Active, Expiring and Needed. resolved is nil if no part of the Exemption can be
// in force, honored has the parts that Guardrails honor, and excuses is nil if nothing was counted.
func exemptionConditions(
	e *v1alpha1.Exemption, resolved *config.Exemption, honored []config.Honored, p config.Problem, wrong bool, excuses *audit.ExemptionUsage, now time.Time,
) []metav1.Condition {
	active := metav1.Condition{Type: v1alpha1.ConditionActive, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInForce}
	if resolved == nil {
		active.Status, active.Reason = metav1.ConditionFalse, v1alpha1.ReasonInvalid
		active.Message = "Nothing is exempted: " + problemText(p)
		return []metav1.Condition{active, unneeded("It is not in force.")}
	}
	last := resolved.End(honored)
	limited := limitedText(resolved, honored)
	if now.Before(resolved.Until) && !now.Before(last) {
		active.Status, active.Reason = metav1.ConditionFalse, v1alpha1.ReasonLimited
		active.Message = decision.Line("Nothing is exempted: "+limited, maxConditionMessage)
		expired := metav1.Condition{Type: v1alpha1.ConditionExpiring, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonLimited, Message: active.Message}
		return []metav1.Condition{active, expired, unneeded("It is not in force.")}
	}
	end := last.UTC().Format("2006-01-02 15:04 UTC")
	expiring := metav1.Condition{Type: v1alpha1.ConditionExpiring, Status: metav1.ConditionTrue}
	switch left := last.Sub(now); {
	case left <= 0:
		active.Status, active.Reason = metav1.ConditionFalse, v1alpha1.ReasonExpired
		active.Message = "It expired at " + end + " and no longer exempts anything."
		expiring.Reason, expiring.Message = v1alpha1.ReasonExpired, active.Message
		return []metav1.Condition{active, expiring, unneeded("It is not in force.")}
	case left <= metrics.ExpiresSoon:
		expiring.Reason = v1alpha1.ReasonExpiresSoon
		expiring.Message = "It expires at " + end + ". After that, policies apply to what it exempts. Contact " + e.Spec.Owner + "."
	default:
		expiring.Status, expiring.Reason = metav1.ConditionFalse, v1alpha1.ReasonExpiresLater
		expiring.Message = "It expires at " + end + "."
	}
	active.Message = "It exempts what it covers until " + end + "."
	if limited != "" {
		active.Reason = v1alpha1.ReasonLimited
		active.Message = decision.Line(active.Message+" Parts of it are not in force: "+limited, maxConditionMessage)
	}
	if wrong {
		active.Reason = v1alpha1.ReasonPartlyInvalid
		active.Message = "Parts of it are not in force: " + problemText(p)
	}
	conditions := []metav1.Condition{active, expiring}
	if excuses != nil {
		conditions = append(conditions, neededCondition(excuses))
	}
	return conditions
}

// limitedText describes what Guardrails do not honor, and until when they honor the rest. It is empty if they
// honor all of the Exemption.
func limitedText(e *config.Exemption, honored []config.Honored) string {
	var texts []string
	for _, h := range honored {
		switch {
		case h.Until.IsZero():
			texts = append(texts, fmt.Sprintf("Guardrail %s does not honor it for %s", h.Guardrail, h.Policy))
		case h.Until.Before(e.Until):
			texts = append(texts, fmt.Sprintf("Guardrail %s honors it for %s until %s", h.Guardrail, h.Policy, h.Until.UTC().Format("2006-01-02 15:04 UTC")))
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return strings.Join(texts, "; ") + "."
}

func neededCondition(found *audit.ExemptionUsage) metav1.Condition {
	missing := ""
	if len(found.NotCounted) > 0 {
		missing = " Not counted: " + strings.Join(found.NotCounted, ", ") + "."
	}
	switch {
	case found.Findings > 0:
		return metav1.Condition{
			Type: v1alpha1.ConditionNeeded, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonExcuses,
			Message: fmt.Sprintf("It exempts %s in %s.", plural(found.Findings, "finding"), plural(found.Objects, "object")) + missing,
		}
	case missing != "":
		return unneeded("None of the objects that could be counted needs it." + missing)
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionNeeded, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonExcusesNothing,
		Message: "No object needs it: delete it.",
	}
}

func unneeded(message string) metav1.Condition {
	return metav1.Condition{Type: v1alpha1.ConditionNeeded, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonNotCounted, Message: message}
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
