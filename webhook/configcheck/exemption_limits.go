package configcheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// checkLimits adds a fault for each new part of an Exemption that a Guardrail does not honor,
// and a warning for each part that the old object has already.
func (c *Checker) checkLimits(ctx context.Context, checked *decision.Checked, e *v1alpha1.Exemption, before config.Object, policies config.Policies, stored config.Objects) error {
	effect, err := c.effect(ctx, e, policies, stored)
	if err != nil || effect.exemption == nil {
		return err
	}
	if effect.exemption.Created.IsZero() {
		effect.exemption.Created = effect.now
	}
	old, _ := before.(*v1alpha1.Exemption)
	faults := effect.limitFaults(e, effect.loosened(old))
	checked.Faults = append(checked.Faults, faults...)
	for _, fault := range effect.limitFaults(e, effect.loosened(nil)) {
		if !slices.Contains(faults, fault) {
			checked.Warnings = append(checked.Warnings, "not honored: "+fault.String())
		}
	}
	return nil
}

// limitFaults returns a fault for what is loosened but not honored, once per field and
// Guardrail.
func (effect *exemptionEffect) limitFaults(e *v1alpha1.Exemption, loosened []config.Loosened) (faults []decision.Fault) {
	add := func(fault decision.Fault) {
		if !slices.Contains(faults, fault) {
			faults = append(faults, fault)
		}
	}
	for _, honored := range effect.guardrails.Honored(effect.exemption, effect.namespaceOf, effect.now) {
		touched := slices.ContainsFunc(loosened, func(l config.Loosened) bool {
			return l.Guardrail == honored.Guardrail && slices.Contains(l.Policies, honored.Policy)
		})
		switch {
		case !touched || !honored.Until.Before(effect.exemption.Until):
		case honored.Until.IsZero():
			at := slices.Index(e.Spec.Policies, honored.Policy)
			add(decision.Fault{Field: fmt.Sprintf("spec.policies[%d]", at),
				Reason: fmt.Sprintf("Guardrail %s allows no Exemption from %s: remove it", honored.Guardrail, honored.Policy)})
		default:
			add(decision.Fault{Field: "spec.expires", Reason: fmt.Sprintf("Guardrail %s honors it only until %s: write %s or earlier",
				honored.Guardrail, honored.Until.UTC().Format(time.RFC3339), lastDay(honored.Until, effect.now))})
		}
	}
	return faults
}

// lastDay returns the value of spec.expires for the latest end that is not after until.
func lastDay(until, now time.Time) string {
	day := until.UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	if strings.Compare(day, now.UTC().Format(time.DateOnly)) < 0 {
		return until.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	return day
}
