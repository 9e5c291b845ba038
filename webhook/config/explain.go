package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/webhook/decision"
)

// maxSelector limits the length of a selector in an explanation, in characters.
const maxSelector = 300

// Explain states for each Guardrail whether it applies to a request, and why, as Resolve decides
// it. exemptions are those that For returned.
func (s Guardrails) Explain(r *decision.Request, maxMode decision.Mode, exemptions Exemptions) []decision.GuardrailExplanation {
	all := make([]decision.GuardrailExplanation, 0, len(s))
	for _, g := range s {
		matches, certain := g.selects(r)
		explained := decision.GuardrailExplanation{
			Name: g.Name, Applies: matches, Uncertain: !certain, Reason: g.selectionReason(selectedNamespace(r), certain),
			TrustedUsers: g.trusted.Users, TrustedGroups: g.trusted.Groups, TolerateExisting: g.tolerateExisting,
		}
		if matches {
			g.explainBindings(&explained, r, maxMode, exemptions)
		}
		all = append(all, explained)
	}
	return all
}

func (g *Guardrail) explainBindings(explained *decision.GuardrailExplanation, r *decision.Request, maxMode decision.Mode, exemptions Exemptions) {
	for _, b := range g.Bindings {
		if !slices.Contains(b.Policy.Kinds, r.Kind.GroupKind()) {
			explained.OtherKinds = append(explained.OtherKinds, b.Policy.ID)
			continue
		}
		explained.Bindings = append(explained.Bindings, decision.BindingExplanation{
			Policy: b.Policy.ID, Mode: capMode(maxMode, b.Mode), BoundMode: b.Mode, Pinned: b.ModePinned,
			Exemptions: exemptions.honoredBy(g, b.Policy.ID),
		})
	}
	slices.Sort(explained.OtherKinds)
	explained.OtherKinds = slices.Compact(explained.OtherKinds)
}

// honoredBy returns the names of the Exemptions from a policy that the Guardrail honors,
// whatever containers they are restricted to. The receiver must come from For.
func (all Exemptions) honoredBy(g *Guardrail, policy string) (names []string) {
	for _, e := range all {
		if slices.Contains(e.Policies, policy) && g.honors(e, policy, e.At) {
			names = append(names, e.Name)
		}
	}
	return names
}

// selectionReason explains the result of selectsNamespace.
func (g *Guardrail) selectionReason(namespace decision.Namespace, certain bool) string {
	selector := decision.Line(g.selector.String(), maxSelector)
	switch {
	case slices.Contains(g.exclude, namespace.Name) && namespace.Name != "":
		return fmt.Sprintf("excludeNamespaces lists %s", namespace.Name)
	case g.selector.Empty():
		return "its namespaceSelector is empty, which selects everything"
	case namespace.Name == "":
		return "the object is cluster-scoped, and only an empty namespaceSelector selects such objects"
	case !certain:
		return fmt.Sprintf("it depends on the labels of namespace %s, which are not known: its namespaceSelector is %s", namespace.Name, selector)
	}
	requirements, _ := g.selector.Requirements()
	for _, requirement := range requirements {
		if !requirement.Matches(namespaceLabels(namespace)) {
			return fmt.Sprintf("its namespaceSelector %s does not match namespace %s, which %s", selector, namespace.Name, labelText(namespace, &requirement))
		}
	}
	return fmt.Sprintf("its namespaceSelector %s matches namespace %s", selector, namespace.Name)
}

func labelText(namespace decision.Namespace, requirement *labels.Requirement) string {
	value, found := namespaceLabels(namespace).Lookup(requirement.Key())
	if !found {
		return fmt.Sprintf("has no label %s", requirement.Key())
	}
	return fmt.Sprintf("has the label %s=%s", requirement.Key(), value)
}

// Explain states for each Exemption whether it applies to a request, and why, as For decides it.
func (all Exemptions) Explain(r *decision.Request, guardrails Guardrails, now time.Time) []decision.ExemptionExplanation {
	explained := make([]decision.ExemptionExplanation, 0, len(all))
	for _, e := range all {
		x := decision.ExemptionExplanation{Name: e.Name, Containers: e.Containers, Until: e.Until}
		switch {
		case !now.Before(e.Until):
			x.Reason = "it has expired"
		case !e.coversNamespace(r):
			x.Reason = "its namespaces do not include " + namespaceText(r)
		case !e.CoversKind(r.Kind.GroupKind()):
			x.Reason = "its kinds do not include " + r.Kind.Kind
		case !e.coversName(r):
			x.Reason = "its names do not match " + r.DisplayName()
		default:
			explainPolicies(&x, e, r, guardrails, now)
		}
		explained = append(explained, x)
	}
	return explained
}

// explainPolicies completes the explanation of an Exemption that matches the request.
func explainPolicies(x *decision.ExemptionExplanation, e *Exemption, r *decision.Request, guardrails Guardrails, now time.Time) {
	bound, honored := map[string]bool{}, map[string]bool{}
	for _, binding := range guardrails.Resolve(r, 0) {
		bound[binding.Policy.ID] = true
		honored[binding.Policy.ID] = honored[binding.Policy.ID] || binding.Guardrail.honors(e, binding.Policy.ID, now)
	}
	var unbound, refused []string
	for _, policy := range e.Policies {
		switch {
		case !bound[policy]:
			unbound = append(unbound, policy)
		case !honored[policy]:
			refused = append(refused, policy)
		default:
			x.Policies = append(x.Policies, policy)
		}
	}
	x.Applies = len(x.Policies) > 0
	var reasons []string
	if len(unbound) > 0 {
		reasons = append(reasons, "no Guardrail binds "+strings.Join(unbound, ", ")+" for the object")
	}
	if len(refused) > 0 {
		reasons = append(reasons, "no Guardrail honors it for "+strings.Join(refused, ", "))
	}
	x.Reason = strings.Join(reasons, "; ")
}

func namespaceText(r *decision.Request) string {
	if namespace := selectedNamespace(r); namespace.Name != "" {
		return namespace.Name
	}
	return "cluster-scoped objects"
}
