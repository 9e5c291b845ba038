package pipeline

import (
	"context"
	"slices"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// patches reports whether fills become a patch: for Pods, whose resources cannot be set later,
// and for objects that are not stored yet.
func patches(r *decision.Request) bool {
	return r.Workload != nil && !r.Workload.Template && r.Operation == decision.Create &&
		(r.Origin == decision.OriginMutating || r.Origin == decision.OriginManifest)
}

func injects(plan injectionPlan) bool {
	return len(plan.Enforced) > 0 ||
		slices.ContainsFunc(plan.Gaps, func(g injectionGap) bool { return g.Mode == decision.ModeEnforce })
}

// proposals returns the intents of all bindings that certainly apply and from which no
// Exemption exempts.
func proposals(r *decision.Request, bindings []config.AppliedBinding, results []decision.Result, exemptions config.Exemptions) []proposal {
	if r.Workload == nil {
		return nil
	}
	var all []proposal
	for i, binding := range bindings {
		if binding.Uncertain {
			continue
		}
		for _, intent := range results[i].Intents {
			if len(exemptions.Exempting(binding.Guardrail, binding.Policy.ID, intent.Container)) > 0 {
				continue
			}
			all = append(all, proposal{Binding: i, Policy: binding.Policy.ID, Guardrail: binding.Guardrail.Name, Mode: binding.Mode, Intent: intent})
		}
	}
	return all
}

// filled returns the paths of the fields that injections set in the given mode or a stricter
// one.
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

// wouldFill returns the fields that injections would set if their Guardrails enforced them. At
// /validate, a Pod already has the enforced values, and the others have not been evaluated yet.
func (d *Decider) wouldFill(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, results []decision.Result, plan injectionPlan, exemptions config.Exemptions) (map[string]bool, error) {
	var raised []config.AppliedBinding
	var intents []decision.Result
	more := false
	for i, binding := range bindings {
		if binding.Policy.Mutates && !binding.ModePinned {
			raised, intents = append(raised, binding), append(intents, results[i])
			more = more || binding.Mode != decision.ModeEnforce
		}
	}
	if !more {
		return filled(r, plan.Fills, decision.ModeEnforce), nil
	}
	if partOf(r) == rego.Deny {
		earlier := *r
		earlier.Origin = decision.OriginMutating
		var err error
		if intents, err = d.evaluatePart(ctx, &earlier, raised, rego.Inject); err != nil {
			return nil, err
		}
	}
	plan, err := planInjection(r, proposals(r, raised, intents, exemptions))
	return filled(r, plan.Fills, decision.ModeAudit), err
}

// gapFindings returns findings for what could not be injected. They never deny: policies that
// validate the field decide whether it may be missing.
func gapFindings(r *decision.Request, bindings []config.AppliedBinding, gaps []injectionGap) []decision.Finding {
	var findings []decision.Finding
	for _, gap := range gaps {
		policy := bindings[gap.Binding].Policy
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

// undecidedFields returns the fields for which it is unknown whether an injection sets them,
// with the reason.
func undecidedFields(r *decision.Request, fills []decision.Fill) map[string]string {
	var found map[string]string
	for _, fill := range fills {
		if fill.Undecided {
			if found == nil {
				found = map[string]string{}
			}
			found[r.Workload.FieldPath(fill.Container, fill.Field)] = fill.SkipReason
		}
	}
	return found
}

// unreadFills adds to undecided the fields that enforced injections may set, but whose policies
// were not evaluated, because facts that they need could not be read. What they would set without
// these facts is not known to fit.
func (d *Decider) unreadFills(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, exemptions config.Exemptions, undecided map[string]string) (map[string]string, error) {
	if r.Workload == nil {
		return undecided, nil
	}
	for _, binding := range bindings {
		fact, missing := unreadFact(r, binding.Policy)
		if !missing || !binding.Policy.Mutates || binding.Mode != decision.ModeEnforce {
			continue
		}
		results, err := d.snapshot.Program().Evaluate(ctx, r, []int{binding.Instance}, rego.Inject)
		if err != nil {
			return nil, err
		}
		for _, p := range proposals(r, []config.AppliedBinding{binding}, results, exemptions) {
			if undecided == nil {
				undecided = map[string]string{}
			}
			undecided[r.Workload.FieldPath(p.Intent.Container, p.Intent.Field)] = r.Facts.Unread[fact]
		}
	}
	return undecided, nil
}
