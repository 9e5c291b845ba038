package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// Relaxers tells who may let a Guardrail go of a namespace. Implementations are safe for
// concurrent use.
type Relaxers interface {
	// MayRelax tells whether a user has the verb relax on a Guardrail.
	MayRelax(ctx context.Context, user decision.User, guardrail string) (bool, error)
}

// Webhooks knows what the webhook configurations select. Implementations are safe for
// concurrent use.
type Webhooks interface {
	// Selectors returns what the entries select namespaces by that policies are asked at.
	Selectors(ctx context.Context) ([]labels.Selector, error)
}

// Relax decides whether somebody may change the labels of a Namespace: there is a finding
// for each Guardrail that lets go and that the user may not relax, under the mode of what
// is lost. It asks about no other Guardrail. Labels can be written by way of /status and
// /finalize too. An error means that nobody knows whether the user may, and something that
// is enforced depends on it.
func (p *Decider) Relax(ctx context.Context, r *decision.Request, relaxers Relaxers) (*decision.Decision, error) {
	d := &decision.Decision{Verdict: decision.VerdictAllow}
	if r.Operation != decision.Update || !isNamespace(r) {
		return d, nil
	}
	before, after := config.NamespaceOf(r.Name, r.OldObject), config.NamespaceOf(r.Name, r.Object)
	var webhooks []labels.Selector
	if p.options.Webhooks != nil {
		var err error
		if webhooks, err = p.options.Webhooks.Selectors(ctx); err != nil {
			return nil, fmt.Errorf("reading what the webhooks select: %w", err)
		}
	}
	for _, loss := range p.snapshot.Guardrails().Losses(before, after, p.options.MaxMode, webhooks...) {
		may, err := relaxers.MayRelax(ctx, r.User, loss.Guardrail)
		if err != nil && loss.Mode == decision.ModeEnforce {
			return nil, fmt.Errorf("asking whether %q may relax Guardrail %s: %w", r.User.Name, loss.Guardrail, err)
		}
		if may {
			continue
		}
		f := decision.Finding{
			Policy: decision.RelaxVerb, Guardrails: []string{loss.Guardrail}, Mode: loss.Mode, Severity: decision.SeverityHigh,
			Key: loss.Guardrail, Path: "metadata.labels",
			Message:     lossText(loss, before.Labels, after.Labels),
			Remediation: "Leave the labels as they are, or ask somebody who may relax Guardrail " + loss.Guardrail + ".",
		}
		if err != nil {
			// Nobody's request fails for what is only counted.
			f.Unknown = err.Error()
		}
		d.Findings = append(d.Findings, f)
	}
	slices.SortStableFunc(d.Findings, func(a, b decision.Finding) int { return int(b.Mode - a.Mode) })
	d.Verdict = decision.Worst(d.Findings)
	return d, nil
}

// RelaxUnseen decides about a Namespace that is too much to be looked at, as if all that
// may hold it were lost.
func (p *Decider) RelaxUnseen(limit *request.LimitError) *decision.Decision {
	mode, guardrails := p.snapshot.Guardrails().Unseen(limit.Request.Name, p.options.MaxMode)
	if mode == 0 {
		return &decision.Decision{Verdict: decision.VerdictAllow}
	}
	return &decision.Decision{Verdict: mode.Verdict(), Findings: []decision.Finding{{
		Policy: decision.RelaxVerb, Guardrails: guardrails, Mode: mode, Severity: decision.SeverityHigh, Path: "metadata",
		Message: limit.Error() + ", so nobody can tell what its labels change", Remediation: limit.Remediation(),
	}}}
}

// lossText says what changes, and what that costs.
func lossText(loss config.Loss, before, after map[string]string) string {
	changes := make([]string, 0, len(loss.Labels))
	for _, label := range loss.Labels {
		was, had := before[label]
		is, has := after[label]
		switch {
		case !has:
			changes = append(changes, fmt.Sprintf("without %s=%s", label, was))
		case !had:
			changes = append(changes, fmt.Sprintf("with %s=%s", label, is))
		default:
			changes = append(changes, fmt.Sprintf("with %s=%s instead of %s", label, is, was))
		}
	}
	effect := map[decision.Mode]string{decision.ModeEnforce: "enforces", decision.ModeWarn: "warns of", decision.ModeAudit: "records"}[loss.Mode]
	if loss.Unsent {
		return fmt.Sprintf("%s, the API server no longer asks Taffrail about this namespace, and Guardrail %s no longer %s %s",
			strings.Join(changes, " and "), loss.Guardrail, effect, listed(loss.Policies))
	}
	return fmt.Sprintf("%s, Guardrail %s no longer %s %s", strings.Join(changes, " and "), loss.Guardrail, effect, listed(loss.Policies))
}

// listed names the first policies and counts the others.
func listed(policies []string) string {
	const most = 4
	if len(policies) <= most {
		return strings.Join(policies, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(policies[:most-1], ", "), len(policies)-most+1)
}
