package pipeline

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"

	"taffrail.dev/webhook/request"
)

// Live reads objects from the API server, past every cache. It is asked only if something
// would be denied or injected. Implementations are safe for concurrent use. An error is an
// internal error of the decision: it is not known whether the object is tolerated.
type Live interface {
	// Revisions are the objects of a kind in a namespace that a workload's selector
	// matches, whoever owns them. kind is ReplicaSet or ControllerRevision.
	Revisions(ctx context.Context, kind schema.GroupVersionKind, namespace string, selector map[string]any) iter.Seq2[map[string]any, error]
	// CronJob is nil if there is none.
	CronJob(ctx context.Context, namespace, name string) (map[string]any, error)
	// Owner is the object that controls a ReplicaSet or ControllerRevision, nil if there is
	// none. kind is Deployment, StatefulSet or DaemonSet.
	Owner(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (map[string]any, error)
}

// restored says which fields of an object are not new to the cluster although they are
// new to the object: a rollback brings a template back, and a Job started by hand is made
// from its CronJob. They are tolerated whatever a Guardrail says of what exists.
type restored struct {
	// has reports whether the field at a path is one of them; nil where none is.
	has func(path string) bool
	// why says where they are from, in words that end a warning.
	why string
	// decided reports whether the binding of that index has decided a finding's like where
	// the field is from, and nothing excused it there. It may be nil: then every binding has.
	decided func(bound int, f *decision.Finding) bool
}

// tolerateRestored excuses what the cluster has already of what would still be denied.
func (p *Decider) tolerateRestored(ctx context.Context, e *evidence, candidates []candidate, part scope) error {
	if !anyDenies(candidates) {
		return nil
	}
	found, err := p.restored(ctx, e.request, e.bindings, part.revision)
	if err != nil {
		return fmt.Errorf("looking for what the object may be made from: %w", err)
	}
	excuseRestored(candidates, found)
	return nil
}

func excuseRestored(candidates []candidate, found restored) {
	if found.has == nil {
		return
	}
	for i := range candidates {
		c := &candidates[i]
		if c.finding.Denies() && !c.failed() && found.has(c.finding.Path) && (found.decided == nil || found.decided(c.bound, &c.finding)) {
			c.excuse(found.why)
		}
	}
}

// restored looks for what the object may be made from: for a revision, what controls it. The
// zero value is returned if there is nothing, or nobody can tell.
func (p *Decider) restored(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, revision *revisionOf) (restored, error) {
	if p.options.Live == nil || r.Origin != decision.OriginValidating {
		return restored{}, nil
	}
	if revision != nil {
		return p.fromOwner(ctx, revision)
	}
	if r.Subresource != "" {
		return restored{}, nil
	}
	kind := r.Kind.GroupKind()
	switch {
	case r.Operation == decision.Create && kind == schema.GroupKind{Group: batchv1.GroupName, Kind: "Job"}:
		return p.madeFromCronJob(ctx, r, bindings)
	case r.Operation == decision.Update && r.OldObject != nil && kind.Group == appsv1.GroupName:
		if revisions, ok := revisionKind(kind.Kind); ok {
			return p.fromRevision(ctx, r, revisions)
		}
	}
	return restored{}, nil
}

// revisionKind is where a kind's controller keeps its former templates.
func revisionKind(kind string) (schema.GroupVersionKind, bool) {
	switch kind {
	case "Deployment":
		return appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), true
	case "StatefulSet", "DaemonSet":
		return appsv1.SchemeGroupVersion.WithKind("ControllerRevision"), true
	}
	return schema.GroupVersionKind{}, false
}

// fromRevision looks for a revision with the template of a workload that changes its
// template. Such a revision was decided when it was made, unless its controller made it
// from a template that was decided, or from one that predates the Guardrail.
func (p *Decider) fromRevision(ctx context.Context, r *decision.Request, kind schema.GroupVersionKind) (restored, error) {
	name, _, _ := unstructured.NestedString(r.OldObject, "metadata", "name")
	uid, _, _ := unstructured.NestedString(r.OldObject, "metadata", "uid")
	selector := mapOf(mapOf(r.OldObject, "spec"), "selector")
	if uid == "" || len(selector) == 0 || request.SameTemplate(templateIn(r.OldObject), r.Workload.Pod) {
		return restored{}, nil // what stays as it is comes back from nowhere
	}
	for revision, err := range p.options.Live.Revisions(ctx, kind, r.Namespace.Name, selector) {
		if err != nil {
			return restored{}, err
		}
		if request.Controller(revision).UID != uid || deleting(revision) || !madeFor(name, revision, kind.Kind) {
			continue
		}
		if request.SameTemplate(r.Workload.Pod, templateOf(revision, kind.Kind), addedTo(kind.Kind)...) {
			return restored{why: fmt.Sprintf("as in %s %s", kind.Kind, nameOf(revision)), has: within(decision.FieldPath(r.Workload.PodPath))}, nil
		}
	}
	return restored{}, nil
}

// madeFor reports whether a revision has the name that a controller gives the revisions of
// an object. A revision that controllers made for another object, which may be excused from
// more, can be had by whoever may delete that one and leave its revisions to be adopted.
func madeFor(object string, revision map[string]any, kind string) bool {
	name := nameOf(revision)
	if kind == "ReplicaSet" {
		hash := templateHash(templateOf(revision, kind))
		return hash != "" && name == beginning(object, validation.DNS1123SubdomainMaxLength-len("-")-len(hash))+"-"+hash
	}
	const longestPrefix = 223
	hash, ok := strings.CutPrefix(name, beginning(object, longestPrefix)+"-")
	return ok && hash != "" && !strings.Contains(hash, "-")
}

func beginning(text string, most int) string { return text[:max(0, min(len(text), most))] }

func nameOf(object map[string]any) string {
	name, _, _ := unstructured.NestedString(object, "metadata", "name")
	return name
}

// within is true of the fields at a path and below it.
func within(parent decision.FieldPath) func(path string) bool {
	return func(path string) bool { return decision.FieldPath(path).Within(parent) }
}

// revisionOf is a ReplicaSet or ControllerRevision, and the template in it.
type revisionOf struct {
	request  *decision.Request
	template map[string]any
}

// fromOwner looks whether the object that controls a revision has its template now, as
// when an operator makes the revision instead of the built-in controller.
func (p *Decider) fromOwner(ctx context.Context, revision *revisionOf) (restored, error) {
	r := revision.request
	owner := request.Controller(r.Object)
	revisions, ok := revisionKind(owner.Kind)
	if !ok || owner.Group != appsv1.GroupName || revisions.Kind != r.Kind.Kind || owner.UID == "" || !madeFor(owner.Name, r.Object, r.Kind.Kind) {
		return restored{}, nil
	}
	object, err := p.options.Live.Owner(ctx, appsv1.SchemeGroupVersion.WithKind(owner.Kind), r.Namespace.Name, owner.Name)
	if err != nil {
		return restored{}, err
	}
	if uid, _, _ := unstructured.NestedString(object, "metadata", "uid"); uid != owner.UID || deleting(object) ||
		!request.SameTemplate(templateIn(object), revision.template, addedTo(r.Kind.Kind)...) {
		return restored{}, nil
	}
	return restored{why: fmt.Sprintf("as in %s %s", owner.Kind, owner.Name), has: within("spec.template")}, nil
}

func templateOf(revision map[string]any, kind string) map[string]any {
	if kind == "ControllerRevision" {
		return request.RevisionTemplate(revision)
	}
	return templateIn(revision)
}

// addedTo are the labels that a workload's controller adds to the template of a revision.
func addedTo(kind string) []string {
	if kind == "ReplicaSet" {
		return []string{appsv1.DefaultDeploymentUniqueLabelKey}
	}
	return nil
}

// distrust takes the trust in the deployment controller from every binding where it gives
// a Deployment a template that no revision of the Deployment has. It does so by the
// annotation deprecated.deployment.rollback.to, which takes any ReplicaSet that the
// Deployment has adopted.
func (p *Decider) distrust(ctx context.Context, r *decision.Request, bounds []config.AppliedBinding, results []decision.Result) error {
	if p.options.Live == nil || r.Origin != decision.OriginValidating || r.Operation != decision.Update || r.Subresource != "" || r.OldObject == nil ||
		r.Kind.GroupKind() != (schema.GroupKind{Group: appsv1.GroupName, Kind: "Deployment"}) || !config.DeploymentController(r.User) ||
		!enforcedIn(decision.FieldPath(r.Workload.PodPath), bounds, results) || request.SameTemplate(templateIn(r.OldObject), r.Workload.Pod) {
		return nil
	}
	revisions, _ := revisionKind(r.Kind.Kind)
	found, err := p.fromRevision(ctx, r, revisions)
	switch {
	case err != nil && !slices.ContainsFunc(bounds, func(b config.AppliedBinding) bool { return b.Mode == decision.ModeEnforce }):
		return nil // nobody's request fails for what is only counted
	case err != nil:
		return fmt.Errorf("looking for what the object may be made from: %w", err)
	}
	for i := range bounds {
		bounds[i].Distrusted = found.has == nil
	}
	return nil
}

// enforcedIn reports whether a binding that enforces, or would once its Guardrail and the
// ceiling do, has found something in a field.
func enforcedIn(field decision.FieldPath, bounds []config.AppliedBinding, results []decision.Result) bool {
	for i := range bounds {
		if bounds[i].ModePinned {
			continue
		}
		for k := range results[i].Violations {
			if decision.FieldPath(results[i].Violations[k].Path).Within(field) {
				return true
			}
		}
	}
	return false
}

func mapOf(object map[string]any, name string) map[string]any {
	m, _ := object[name].(map[string]any)
	return m
}
