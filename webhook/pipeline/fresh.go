package pipeline

import (
	"context"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// An informer cannot know that it is behind. Most requests do not care: they are allowed,
// and nothing is changed. A Pod that is filled inside the bounds of a second ago may be
// refused for it, though, and a writer who has just raised a bound is denied for the old
// one. So what injects or denies is confirmed with facts that were read after the request
// arrived, and decided again if they differ.

// leftUnconfirmed is why nothing is injected where these cannot be read.
const leftUnconfirmed = "the namespace's labels, LimitRanges and ResourceQuotas could not be read"

// basis is what a decision rests on.
type basis struct {
	request *decision.Request
	bounds  []config.AppliedBinding
	wanted  []decision.Fact
	// injects is true if an enforced binding fills a Pod, or cannot.
	injects bool
}

// confirm returns the decision, or the one that newer facts lead to.
func (p *Decider) confirm(ctx context.Context, r *decision.Request, b *basis, d *decision.Decision, part scope) (*decision.Decision, error) {
	injects, denies := b.injects && patches(r), d.Verdict == decision.VerdictDeny
	if p.options.Fresh == nil || !injects && !denies {
		return d, nil
	}
	wanted := b.wanted
	if !injects {
		wanted = factsOf(b, d)
	}
	same, err := b.confirmed(ctx, p.options.Fresh, wanted)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && injects:
		return unconfirmed(d), nil
	case err != nil || same:
		return d, nil //nolint:nilerr // what the watches brought has to do
	}
	confirmed := *p
	confirmed.facts, confirmed.options.Fresh = p.options.Fresh, nil
	again, _, err := confirmed.decideOnce(ctx, r, part)
	return again, err
}

// factsOf are the facts that the policies which deny read.
func factsOf(b *basis, d *decision.Decision) []decision.Fact {
	var denying []*rego.Policy
	for i := range b.bounds {
		policy := b.bounds[i].Policy
		if slices.ContainsFunc(d.Findings, func(f decision.Finding) bool { return f.Denies() && f.Policy == policy.ID }) {
			denying = append(denying, policy)
		}
	}
	return slices.DeleteFunc(slices.Clone(b.wanted), func(fact decision.Fact) bool {
		return !slices.ContainsFunc(denying, func(p *rego.Policy) bool { return slices.Contains(p.Facts, fact) })
	})
}

// confirmed reports whether fresh facts are those that were decided by.
func (b *basis) confirmed(ctx context.Context, fresh FactSource, wanted []decision.Fact) (bool, error) {
	ctx, cancel := briefly(ctx)
	defer cancel()
	if name := b.request.Namespace.Name; name != "" && slices.ContainsFunc(b.bounds, func(x config.AppliedBinding) bool { return x.Guardrail.SelectsByLabels() }) {
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

// versions returns the resourceVersions of a sort of facts by uid.
func versions(f *decision.Facts, fact decision.Fact) map[types.UID]string {
	switch fact {
	case decision.FactLimitRanges:
		return versionsOf(f.LimitRanges)
	case decision.FactResourceQuotas:
		return versionsOf(f.ResourceQuotas)
	case decision.FactAutoscalers:
		return versionsOf(f.Autoscalers)
	case decision.FactClaims:
		return versionsOf(f.PersistentVolumeClaims)
	case decision.FactStorageClasses:
		return versionsOf(f.StorageClasses)
	}
	return nil
}

func versionsOf[T metav1.Object](objects []T) map[types.UID]string {
	all := make(map[types.UID]string, len(objects))
	for _, object := range objects {
		all[object.GetUID()] = object.GetResourceVersion()
	}
	return all
}

// unconfirmed takes what would be injected out of a decision.
func unconfirmed(d *decision.Decision) *decision.Decision {
	d.Patch = nil
	for i := range d.Fills {
		if fill := &d.Fills[i]; fill.Mode == decision.ModeEnforce {
			fill.Mode, fill.Left, fill.Undecided = decision.ModeAudit, leftUnconfirmed, true
		}
	}
	return d
}
