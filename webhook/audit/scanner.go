package audit

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// Scanner decides live objects. It is safe for concurrent use.
type Scanner struct {
	Objects *Objects
	Facts   pipeline.FactSource
}

// Scanned is an object that has been read and decided.
type Scanned struct {
	request.Metadata

	Kind schema.GroupVersionKind
	// Request is the object, or nil if it cannot be read. Its texts are parts of one copy of the object:
	// whoever keeps one must clone it.
	Request *decision.Request
	// Decision is nil if Err is set.
	Decision *decision.Decision
	// FromTemplate is true if a template is decided in place of the object, except by the policies that do not
	// apply to it. Decision then has the findings of these policies only.
	FromTemplate bool
	// Err is why the object could not be decided.
	Err error
}

// Scan decides the objects of a selection and calls each with every one of them, one after another.
// It skips objects in namespaces that no Guardrail of the Decider selects, and objects that a built-in
// controller made from a template that is decided in their place. The error is that of reading the
// objects, or of ctx.
func (s *Scanner) Scan(ctx context.Context, decider *pipeline.Decider, selection Selection, each func(*Scanned)) error {
	kind := s.Decider(decider, selection.Mapping)
	_, err := s.Objects.Each(ctx, selection, func(object []byte) error {
		found, err := s.Objects.Metadata(object)
		if err != nil {
			return err
		}
		if !kind.Decides(ctx, &found) {
			return ctx.Err()
		}
		scanned := kind.Decide(ctx, &found, object)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		each(scanned)
		return nil
	})
	return err
}

// Decider returns what decides the objects of one kind.
func (s *Scanner) Decider(decider *pipeline.Decider, mapping *meta.RESTMapping) *KindDecider {
	d := &KindDecider{
		kind: mapping.GroupVersionKind, namespaced: mapping.Scope.Name() == meta.RESTScopeNameNamespace, decider: decider, facts: s.Facts,
		selected: map[string]selected{},
	}
	if target, bound := TargetOf(decider.Snapshot(), d.kind.GroupKind()); bound {
		d.target = target
	}
	return d
}

// KindDecider decides objects of one kind under one configuration. It is not safe for concurrent use.
type KindDecider struct {
	kind       schema.GroupVersionKind
	namespaced bool
	target     Target
	decider    *pipeline.Decider
	facts      pipeline.FactSource
	// selected has the namespaces that have been looked up.
	selected map[string]selected
}

// selected is what is bound in a namespace.
type selected struct {
	any bool
	// policies is how many there are.
	policies int
}

// Decides reports whether an object has to be decided: a Guardrail may select it, and no template is
// decided in its place.
func (d *KindDecider) Decides(ctx context.Context, found *request.Metadata) bool {
	if !d.target.Bound() {
		return false
	}
	if madeFromTemplate(found) && len(d.target.undecided(found.OwnerKind())) == 0 {
		return false
	}
	if !d.namespaced {
		return true
	}
	in, err := d.in(ctx, found.Namespace)
	return err != nil || in.any // Decide returns the error
}

// in returns what is bound in a namespace, or for objects in none.
func (d *KindDecider) in(ctx context.Context, name string) (selected, error) {
	in, known := d.selected[name]
	if known {
		return in, nil
	}
	namespace, err := d.facts.Namespace(ctx, name)
	if err != nil {
		return selected{}, err
	}
	in = selected{d.target.Covers(namespace), d.target.policies(namespace)}
	d.selected[name] = in
	return in, nil
}

// Decide decides an object.
func (d *KindDecider) Decide(ctx context.Context, found *request.Metadata, object []byte) *Scanned {
	scanned := &Scanned{Metadata: *found, Kind: d.kind}
	scanned.Request, scanned.Err = request.LiveJSON(object, d.kind)
	if scanned.Err != nil {
		return scanned
	}
	scanned.Decision, scanned.Err = d.decider.Decide(ctx, scanned.Request)
	if scanned.Err != nil {
		scanned.Decision = nil
		return scanned
	}
	if scanned.FromTemplate = madeFromTemplate(found); scanned.FromTemplate {
		scanned.Decision = only(scanned.Decision, d.target.undecided(found.OwnerKind()))
	}
	return scanned
}

// only returns a Decision without the findings of other policies.
func only(d *decision.Decision, policies []string) *decision.Decision {
	reduced := *d
	reduced.Findings = slices.DeleteFunc(slices.Clone(d.Findings), func(f decision.Finding) bool { return !slices.Contains(policies, f.Policy) })
	reduced.Verdict = decision.Worst(reduced.Findings)
	return &reduced
}

// madeFromTemplate reports whether a built-in controller made the object from a template. Unlike
// admission, an audit can trust ownerReferences: nothing is admitted because of them. A mirror Pod
// counts as made from the file on its node, which nobody can change through the API server.
func madeFromTemplate(found *request.Metadata) bool {
	if found.Controller == (request.Owner{}) {
		return false
	}
	switch found.Controller.Group {
	case "apps", "batch":
		return true
	case "":
		return found.Controller.Kind == "ReplicationController" || found.Controller.Kind == "Node"
	}
	return false
}
