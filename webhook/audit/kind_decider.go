package audit

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// kindDecider decides objects of one kind under one configuration. It is not safe for concurrent use.
type kindDecider struct {
	kind    schema.GroupVersionKind
	target  Target
	decider *pipeline.Decider
	facts   pipeline.FactSource
	// places has the namespaces that have been looked up.
	places map[string]bound
	// policies has the ids of the policies that each set of Guardrails binds.
	policies map[string][]string
}

// bound is what is bound in a namespace.
type bound struct {
	any bool
	// policies has the ids of those that validate.
	policies []string
}

// newKindDecider returns what decides the objects of one kind.
func newKindDecider(decider *pipeline.Decider, facts pipeline.FactSource, kind schema.GroupVersionKind) *kindDecider {
	target, _ := TargetOf(decider.Snapshot(), kind.GroupKind())
	return &kindDecider{kind: kind, target: target, decider: decider, facts: facts, places: map[string]bound{}, policies: map[string][]string{}}
}

// namespaceKind is the kind of namespaces.
func namespaceKind() schema.GroupKind { return schema.GroupKind{Kind: "Namespace"} }

// placeOf returns the namespace by which Guardrails select an object: its own, or for a Namespace the one that it is. It
// is empty for other cluster-scoped objects.
func placeOf(kind schema.GroupKind, found *request.Metadata) string {
	if kind == namespaceKind() {
		return found.Name
	}
	return found.Namespace
}

// decides reports whether an object has to be decided: a Guardrail may select it, and no template is
// decided in its place.
func (d *kindDecider) decides(ctx context.Context, found *request.Metadata) bool {
	if !d.target.Bound() {
		return false
	}
	if d.madeFromTemplate(found) && len(d.target.undecided(found.OwnerKind())) == 0 {
		return false
	}
	in, err := d.in(ctx, placeOf(d.kind.GroupKind(), found))
	return err != nil || in.any // decide returns the error
}

// in returns what is bound in a namespace, or for objects in none.
func (d *kindDecider) in(ctx context.Context, place string) (bound, error) {
	in, known := d.places[place]
	if known {
		return in, nil
	}
	namespace, err := d.facts.Namespace(ctx, place)
	if err != nil {
		return bound{}, err
	}
	guardrails := d.target.covering(namespace)
	names := make([]string, len(guardrails))
	for i, g := range guardrails {
		names[i] = g.Name
	}
	key := strings.Join(names, ",")
	policies, known := d.policies[key]
	if !known {
		policies = d.target.policies(guardrails)
		d.policies[key] = policies
	}
	in = bound{len(guardrails) > 0, policies}
	d.places[place] = in
	return in, nil
}

// decide decides an object. A panic is an error about the object: one object must not keep all others from being
// decided.
func (d *kindDecider) decide(ctx context.Context, found *request.Metadata, object []byte) (scanned *Scanned) {
	scanned = &Scanned{Metadata: *found, Kind: d.kind}
	defer func() {
		if cause := recover(); cause != nil {
			scanned.Decision, scanned.Err = nil, &panicError{decision.PanicText(cause), string(debug.Stack())}
		}
	}()
	if scanned.Request, scanned.Err = request.LiveJSON(object, d.kind); scanned.Err != nil {
		return scanned
	}
	decided, err := d.decider.Decide(ctx, scanned.Request)
	if err != nil {
		scanned.Err = err
		return scanned
	}
	in, err := d.in(ctx, placeOf(d.kind.GroupKind(), found))
	if err != nil {
		scanned.Err = err
		return scanned
	}
	policies := in.policies
	if scanned.FromTemplate = d.madeFromTemplate(found); scanned.FromTemplate {
		undecided := d.target.undecided(found.OwnerKind())
		decided = only(decided, undecided)
		policies = slices.DeleteFunc(slices.Clone(policies), func(id string) bool { return !slices.Contains(undecided, id) })
	}
	scanned.Decision = decided
	for _, id := range policies {
		if !slices.ContainsFunc(decided.Findings, func(f decision.Finding) bool { return f.Policy == id }) {
			scanned.Passed++
		}
	}
	return scanned
}

// panicError reports that deciding an object panicked.
type panicError struct{ cause, stack string }

func (e *panicError) Error() string {
	return "deciding it failed: " + e.cause + "; this is a bug of Taffrail, please report it"
}

// only returns a Decision without the findings of other policies.
func only(d *decision.Decision, policies []string) *decision.Decision {
	reduced := *d
	reduced.Findings = slices.DeleteFunc(slices.Clone(d.Findings), func(f decision.Finding) bool { return !slices.Contains(policies, f.Policy) })
	reduced.Verdict = decision.Worst(reduced.Findings)
	return &reduced
}

// madeFromTemplate reports whether a built-in controller made the object from a template of its controlling owner. Unlike
// admission, an audit can trust these ownerReferences: the controller releases or deletes what it did not make, and the
// garbage collector deletes what is of an owner that does not exist. That holds only for kinds of which the controller
// makes objects, so an owner in any other object says nothing. A mirror Pod counts as made from the file on its node,
// which nobody can change through the API server; the kubelet deletes one that mirrors nothing.
func (d *kindDecider) madeFromTemplate(found *request.Metadata) bool {
	owner, kind := found.OwnerKind(), d.kind.GroupKind()
	if owner == (schema.GroupKind{Kind: "Node"}) {
		return found.Mirror && kind == corev1.SchemeGroupVersion.WithKind("Pod").GroupKind()
	}
	return slices.ContainsFunc(decision.Controllers(kind), func(c decision.Controller) bool {
		return !c.Updates && c.Owner == owner && slices.Contains(c.From, owner)
	})
}
