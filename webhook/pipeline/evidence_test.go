package pipeline

import (
	"cmp"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

type asked struct {
	guardrail string
	mode      decision.Mode
	held      bool
	result    decision.Result
	uncertain bool
	existing  v1alpha1.Existing
	trusted   v1alpha1.TrustedWriters
	// policy is "a-policy" if empty.
	policy     string
	exemptions *v1alpha1.ExemptionLimits
}

// situation is evidence, and what the Decider reads for it of the stored object and of the cluster.
type situation struct {
	evidence
	extent    updateScope
	stored    []decision.Result
	storedErr error
	existing  existingFields
}

// open returns the candidates, and those of them for which the stored object is evaluated.
func (s *situation) open() (candidates []candidate, open []*candidate) {
	candidates = s.candidates()
	return candidates, s.tolerateByScope(s.blocking(candidates), s.extent)
}

// compared returns the candidates that the comparison with the stored object leaves.
func (s *situation) compared() ([]candidate, error) {
	candidates, open := s.open()
	return candidates, s.tolerateBaseline(open, s.stored, s.storedErr)
}

func (s *situation) decide() (*decision.Decision, error) {
	candidates, err := s.compared()
	if err != nil {
		return nil, err
	}
	markExisting(candidates, s.existing)
	return s.decision(candidates, nil), nil
}

// evidenceOf returns evidence about an object of which every policy finds nothing in the stored
// version, if there is one.
func evidenceOf(t interface{ Fatal(...any) }, r *decision.Request, all ...asked) situation {
	e := situation{evidence: evidence{request: r}, stored: make([]decision.Result, len(all))}
	for _, a := range all {
		g, err := config.NewGuardrail(&v1alpha1.Guardrail{Spec: v1alpha1.GuardrailSpec{Existing: a.existing, TrustedWriters: a.trusted, Exemptions: a.exemptions}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		g.Name = a.guardrail
		policy := &rego.Policy{ID: cmp.Or(a.policy, "a-policy"), Severity: decision.SeverityHigh, Remediation: "Do it right.", Kinds: decision.PodKinds()}
		e.bindings = append(e.bindings, config.AppliedBinding{
			Binding: config.Binding{Policy: policy, Mode: a.mode, ModePinned: a.held}, Guardrail: g, Uncertain: a.uncertain,
		})
		e.results = append(e.results, a.result)
	}
	return e
}

func violation(key string) decision.Result {
	return decision.Result{Violations: []decision.Violation{{Message: "m", Path: key, Key: key, Container: "c"}}}
}

// updates makes the evidence that of an UPDATE of an object for which every policy said
// before.
func updates(e *situation, before decision.Result) {
	e.stored = slices.Repeat([]decision.Result{before}, len(e.bindings))
}

func service(operation decision.Operation) *decision.Request {
	return &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, Operation: operation, Namespace: decision.Namespace{Name: "shop"}}
}

func decideOn(t *testing.T, e situation) *decision.Decision {
	t.Helper()
	d, err := e.decide()
	if err != nil {
		t.Fatal(err)
	}
	return d
}
