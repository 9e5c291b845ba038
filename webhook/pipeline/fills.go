package pipeline

import (
	"context"
	"slices"

	"taffrail.dev/webhook/decision"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

// patches tells whether fills become a patch: on Pods, whose resources nobody can
// change later, and where the object has yet to be stored.
func patches(r *decision.Request) bool {
	return r.Workload != nil && !r.Workload.Template && r.Operation == decision.Create &&
		(r.Origin == decision.OriginMutating || r.Origin == decision.OriginManifest)
}

func injects(plan injectionPlan) bool {
	return slices.ContainsFunc(plan.Fills, func(f decision.Fill) bool { return f.Mode == decision.ModeEnforce }) ||
		slices.ContainsFunc(plan.Gaps, func(g injectionGap) bool { return g.Mode == decision.ModeEnforce })
}

// wishes are the intents of every binding that surely applies and that no Exemption excuses.
func wishes(r *decision.Request, bounds []config.AppliedBinding, results []decision.Result, exempt config.Exemptions) []wish {
	if r.Workload == nil {
		return nil
	}
	var all []wish
	for i, bound := range bounds {
		if bound.Uncertain {
			continue
		}
		for _, intent := range results[i].Intents {
			if len(exempt.Excuse(bound.Guardrail, bound.Policy.ID, intent.Container)) > 0 {
				continue
			}
			all = append(all, wish{Bound: i, Policy: bound.Policy.ID, Guardrail: bound.Guardrail.Name, Mode: bound.Mode, Intent: intent})
		}
	}
	return all
}

// filled are the paths of the fields that injections of a mode, or a stricter one, set.
func filled(r *decision.Request, fills []decision.Fill, mode decision.Mode) map[string]bool {
	if len(fills) == 0 {
		return nil
	}
	paths := make(map[string]bool, len(fills))
	for _, fill := range fills {
		if fill.Mode >= mode {
			paths[r.Workload.FieldPath(fill.Container, fill.Field)] = true
		}
	}
	return paths
}

// wouldFill has the fields that injections would set if their Guardrails enforced them. At
// /validate a Pod has what enforced ones have set, and nothing was planned for the others.
func (p *Decider) wouldFill(ctx context.Context, r *decision.Request, bounds []config.AppliedBinding, results []decision.Result, plan injectionPlan, exempt config.Exemptions) (map[string]bool, error) {
	var raised []config.AppliedBinding
	var intents []decision.Result
	more := false
	for i, bound := range bounds {
		if bound.Policy.Mutates && !bound.ModePinned {
			raised, intents = append(raised, bound), append(intents, results[i])
			more = more || bound.Mode != decision.ModeEnforce
		}
	}
	if !more {
		return filled(r, plan.Fills, decision.ModeEnforce), nil
	}
	if partOf(r) == rego.Deny {
		earlier := *r
		earlier.Origin = decision.OriginMutating
		var err error
		if intents, err = p.evaluatePart(ctx, &earlier, raised, rego.Inject); err != nil {
			return nil, err
		}
	}
	plan, err := planInjection(r, wishes(r, raised, intents, exempt))
	return filled(r, plan.Fills, decision.ModeAudit), err
}

// gapFindings report what could not be injected. They never deny: whether a gap is
// refused is for the policies that look at the field.
func gapFindings(r *decision.Request, bounds []config.AppliedBinding, gaps []injectionGap) []decision.Finding {
	var findings []decision.Finding
	for _, gap := range gaps {
		policy := bounds[gap.Bound].Policy
		findings = append(findings, decision.Finding{
			Policy:      gap.Policy,
			Guardrails:  gap.Guardrails,
			Mode:        min(gap.Mode, decision.ModeWarn),
			Severity:    policy.Severity,
			Container:   gap.Container,
			Path:        r.Workload.FieldPath(gap.Container, gap.Field),
			Key:         gap.Container + "." + gap.Field,
			Message:     gap.Reason,
			Remediation: policy.Remediation,
		})
	}
	return findings
}
