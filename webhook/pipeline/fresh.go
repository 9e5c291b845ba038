package pipeline

import (
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// An informer cannot know whether it is behind. Most requests are not affected: they are
// allowed unchanged. But a Pod filled within the LimitRange of a second ago may be refused
// because of it, and a writer who has just raised a limit may be denied for the old one. So a
// decision that injects or denies is confirmed with facts that are read after the request
// arrived, and repeated if they differ.

// skippedUnconfirmed is the reason for not injecting if fresh facts cannot be read.
const skippedUnconfirmed = "the namespace's labels, LimitRanges and ResourceQuotas could not be read"

// basis is what a decision depends on.
type basis struct {
	request  *decision.Request
	bindings []config.AppliedBinding
	wanted   []decision.Fact
	// injects is true if an enforced binding fills a Pod, or has a gap.
	injects bool
}

// confirm returns result, or the decision made with newer facts.
func (d *Decider) confirm(ctx context.Context, r *decision.Request, b *basis, result *decision.Decision, within scope) (*decision.Decision, error) {
	injects, denies := b.injects && patches(r), result.Verdict == decision.VerdictDeny
	if d.options.Fresh == nil || !injects && !denies {
		return result, nil
	}
	wanted := b.wanted
	if !injects {
		wanted = factsOf(b, result)
	}
	same, err := b.confirmed(ctx, d.options.Fresh, wanted)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && injects:
		return unconfirmed(result), nil
	case err != nil || same:
		return result, nil //nolint:nilerr // the cached facts have to do
	}
	again, _, err := d.decideOnce(ctx, r, within, d.options.Fresh)
	return again, err
}

// factsOf returns the facts that the denying policies read.
func factsOf(b *basis, result *decision.Decision) []decision.Fact {
	var denying []*rego.Policy
	for i := range b.bindings {
		policy := b.bindings[i].Policy
		if slices.ContainsFunc(result.Findings, func(f decision.Finding) bool { return f.Denies() && f.Policy == policy.ID }) {
			denying = append(denying, policy)
		}
	}
	return slices.DeleteFunc(slices.Clone(b.wanted), func(fact decision.Fact) bool {
		return !slices.ContainsFunc(denying, func(p *rego.Policy) bool { return slices.Contains(p.Facts, fact) })
	})
}

// confirmed reports whether fresh facts equal those that the decision was made with.
func (b *basis) confirmed(ctx context.Context, fresh FactSource, wanted []decision.Fact) (bool, error) {
	ctx, cancel := withReadTimeout(ctx)
	defer cancel()
	if name := b.request.Namespace.Name; name != "" && slices.ContainsFunc(b.bindings, func(x config.AppliedBinding) bool { return x.Guardrail.SelectsByLabels() }) {
		namespace, err := fresh.Namespace(ctx, name)
		if err != nil {
			return false, err
		}
		if !maps.Equal(namespace.Labels, b.request.Namespace.Labels) {
			return false, nil
		}
	}
	if len(wanted) == 0 || b.request.Facts.Fresh {
		return true, nil
	}
	facts, err := fresh.Facts(ctx, factNamespace(b.request), wanted)
	if err != nil {
		return false, err
	}
	for _, fact := range wanted {
		if !maps.Equal(versions(&facts, fact), versions(&b.request.Facts, fact)) {
			return false, nil
		}
	}
	return true, nil
}

// versions returns the resourceVersions of one kind of facts by UID.
func versions(f *decision.Facts, fact decision.Fact) map[types.UID]string {
	objects := f.Of(fact)
	all := make(map[types.UID]string, len(objects))
	for _, object := range objects {
		all[object.GetUID()] = object.GetResourceVersion()
	}
	return all
}

// unconfirmed removes enforced injections from a decision.
func unconfirmed(result *decision.Decision) *decision.Decision {
	result.Patch = nil
	for i := range result.Fills {
		if fill := &result.Fills[i]; fill.Mode == decision.ModeEnforce {
			fill.Mode, fill.SkipReason, fill.Undecided = decision.ModeAudit, skippedUnconfirmed, true
		}
	}
	return result
}
