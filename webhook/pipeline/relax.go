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

// Relaxers reports who may release a namespace from a Guardrail. Implementations must be safe
// for concurrent use.
type Relaxers interface {
	// MayRelax reports whether a user has the verb relax on a Guardrail.
	MayRelax(ctx context.Context, user decision.User, guardrail string) (bool, error)
}

// Webhooks reads the webhook configurations. Implementations must be safe for concurrent use.
type Webhooks interface {
	// Selectors returns the namespace selectors of the webhooks that evaluate policies.
	Selectors(ctx context.Context) ([]labels.Selector, error)
}

// Relax decides whether a user may change the labels of a Namespace. It returns a finding for
// each Guardrail that stops selecting the namespace and that the user may not relax, under the
// mode of the lost policies. It requests no access review for other Guardrails. Labels can be
// written through /status and /finalize too. An error means that the permission could not be
// determined and that something enforced depends on it.
func (d *Decider) Relax(ctx context.Context, r *decision.Request, relaxers Relaxers) (*decision.Decision, error) {
	result := &decision.Decision{Verdict: decision.VerdictAllow}
	if r.Operation != decision.Update || !r.IsNamespace() {
		return result, nil
	}
	before, after := config.NamespaceOf(r.Name, r.OldObject), config.NamespaceOf(r.Name, r.Object)
	var webhooks []labels.Selector
	if d.options.Webhooks != nil {
		var err error
		if webhooks, err = d.options.Webhooks.Selectors(ctx); err != nil {
			return nil, fmt.Errorf("reading what the webhooks select: %w", err)
		}
	}
	for _, loss := range d.snapshot.Guardrails().Losses(before, after, d.options.MaxMode, webhooks...) {
		may, err := relaxers.MayRelax(ctx, r.User, loss.Guardrail)
		if err != nil && loss.Mode == decision.ModeEnforce {
			return nil, fmt.Errorf("checking whether %q may relax Guardrail %s: %w", r.User.Name, loss.Guardrail, err)
		}
		if may {
			continue
		}
		f := decision.Finding{
			Policy: decision.RelaxVerb, Guardrails: []string{loss.Guardrail}, Mode: loss.Mode, Severity: decision.SeverityHigh,
			Key: loss.Guardrail, Path: "metadata.labels",
			Message:     lossText(loss, before.Labels, after.Labels),
			Remediation: "Keep the labels as they are, or ask someone who may relax Guardrail " + loss.Guardrail + ".",
		}
		if err != nil {
			// A policy that is not enforced never fails a request.
			f.Unknown = err.Error()
		}
		result.Findings = append(result.Findings, f)
	}
	slices.SortStableFunc(result.Findings, func(a, b decision.Finding) int { return int(b.Mode - a.Mode) })
	result.Verdict = decision.Worst(result.Findings)
	return result, nil
}

// RelaxOversized decides an update of a Namespace that is too large to be inspected, as if
// every Guardrail that may select it were lost.
func (d *Decider) RelaxOversized(limit *request.LimitError) *decision.Decision {
	lost := d.snapshot.Guardrails().Oversized(limit.Request.Name, d.options.MaxMode)
	if lost.Mode == 0 {
		return &decision.Decision{Verdict: decision.VerdictAllow}
	}
	return &decision.Decision{Verdict: lost.Mode.Verdict(), Findings: []decision.Finding{{
		Policy: decision.RelaxVerb, Guardrails: lost.Names, Mode: lost.Mode, Severity: decision.SeverityHigh, Path: "metadata",
		Message: limit.Error() + ", so the effect of its labels is not known", Remediation: limit.Remediation(),
	}}}
}

// lossText describes the change of labels and its effect.
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
	effect := map[decision.Mode]string{decision.ModeEnforce: "enforces", decision.ModeWarn: "warns about", decision.ModeAudit: "records"}[loss.Mode]
	if loss.Unsent {
		return fmt.Sprintf("%s, the API server no longer calls Taffrail for this namespace, and Guardrail %s no longer %s %s",
			strings.Join(changes, " and "), loss.Guardrail, effect, decision.Listed(loss.Policies))
	}
	return fmt.Sprintf("%s, Guardrail %s no longer %s %s", strings.Join(changes, " and "), loss.Guardrail, effect, decision.Listed(loss.Policies))
}
