package config

import (
	"encoding/json"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	kjson "sigs.k8s.io/json"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// Injecting is a policy that a Guardrail enforces injections of, with its parameters.
type Injecting struct {
	Policy string
	// Parameters include defaults.
	Parameters apiextensionsv1.JSON
}

// Injecting returns, by Guardrail, the bindings that inject if modes are capped at maxMode; 0
// means no cap.
func (s *Snapshot) Injecting(maxMode decision.Mode) map[string][]Injecting {
	all := map[string][]Injecting{}
	for _, g := range s.guardrails {
		for i := range g.Bindings {
			b := &g.Bindings[i]
			if b.Policy.Mutates && capMode(maxMode, b.Mode) == decision.ModeEnforce {
				all[g.Name] = append(all[g.Name], Injecting{Policy: b.Policy.ID, Parameters: s.parameters[b.Instance]})
			}
		}
	}
	return all
}

// Selected returns the namespaces that a Guardrail selects, among those given.
func (s *Snapshot) Selected(name string, namespaces []decision.Namespace) (selected []decision.Namespace) {
	for _, g := range s.guardrails {
		if g.Name != name {
			continue
		}
		for _, namespace := range namespaces {
			if g.Covers(namespace) {
				selected = append(selected, namespace)
			}
		}
	}
	return selected
}

// periods returns the recorded injection periods that can still be evaluated.
func (b *build) periods(g *v1alpha1.Guardrail) []InjectionPeriod {
	if g.Status.Injection == nil {
		return nil
	}
	var periods []InjectionPeriod
	for i := range g.Status.Injection.Periods {
		recorded := &g.Status.Injection.Periods[i]
		policy, known := b.policies.Catalog.Policy(recorded.Policy)
		var parameters map[string]any
		if !known || !policy.Mutates || kjson.UnmarshalCaseSensitivePreserveInts(recorded.Parameters.Raw, &parameters) != nil {
			continue
		}
		key, err := instanceKey(policy.ID, parameters)
		if err != nil {
			continue
		}
		period := InjectionPeriod{
			Policy: policy.ID, Since: recorded.Since.Time,
			Instance: b.instance(&ResolvedBinding{Policy: policy, Parameters: parameters, Key: key}),
		}
		if recorded.Until != nil {
			period.Until = recorded.Until.Time
		}
		periods = append(periods, period)
	}
	return periods
}

// encodedParameters returns the parameters of each instance as JSON, or nil if the policy injects
// nothing.
func (b *build) encodedParameters() []apiextensionsv1.JSON {
	all := make([]apiextensionsv1.JSON, len(b.instances))
	for i, instance := range b.instances {
		if policy, known := b.policies.Catalog.Policy(instance.Policy); known && policy.Mutates {
			if text, err := json.Marshal(instance.Parameters); err == nil {
				all[i] = apiextensionsv1.JSON{Raw: text}
			}
		}
	}
	return all
}
