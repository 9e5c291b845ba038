package pipeline

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// Live reads objects from the API server, bypassing caches. It is called only if something
// would be denied or injected. Implementations must be safe for concurrent use. An error is an
// internal error of the decision: it is unknown whether the object is tolerated.
type Live interface {
	// Revisions returns the objects of a kind in a namespace that match a workload's selector,
	// whoever owns them. kind is ReplicaSet or ControllerRevision.
	Revisions(ctx context.Context, kind schema.GroupVersionKind, namespace string, selector map[string]any) iter.Seq2[map[string]any, error]
	// CronJob returns nil if there is none.
	CronJob(ctx context.Context, namespace, name string) (map[string]any, error)
	// Owner returns the object that controls a ReplicaSet or ControllerRevision, or nil if
	// there is none. kind is Deployment, StatefulSet or DaemonSet.
	Owner(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (map[string]any, error)
}

// existingFields is the set of fields that are new to an object but not to the cluster: a rollback
// restores a template, and a Job started by hand copies its CronJob. They are tolerated even if
// a Guardrail does not tolerate existing violations.
type existingFields struct {
	// why names the object that has the fields, and is empty if there is none. It ends a
	// warning.
	why string
	// fields exist in the cluster with everything below them.
	fields []decision.FieldPath
	// cronJob is set if the object is a Job and the fields are those of its CronJob.
	cronJob *cronJobFields
}

// has reports whether the field at a path exists in the cluster.
func (found *existingFields) has(path string) bool {
	return slices.ContainsFunc(found.fields, decision.FieldPath(path).Within) || found.cronJob != nil && found.cronJob.hasSpec(path)
}

// markExisting tolerates findings about fields that exist in the cluster, among those that
// would still deny.
func markExisting(candidates []candidate, found existingFields) {
	for i := range candidates {
		c := &candidates[i]
		if c.finding.Denies() && !c.failed() && found.has(c.finding.Path) && (found.cronJob == nil || found.cronJob.hasFinding(c)) {
			c.tolerate(found.why)
		}
	}
}

// findExistingFields looks up what the object may be made from: for a revision, its controller. It
// returns the zero value if there is no such object, or if it cannot be known.
func (d *Decider) findExistingFields(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, revision *revisionOf) (existingFields, error) {
	if d.options.Live == nil || r.Origin != decision.OriginValidating {
		return existingFields{}, nil
	}
	if revision != nil {
		return d.fromOwner(ctx, revision)
	}
	if r.Subresource != "" {
		return existingFields{}, nil
	}
	kind := r.Kind.GroupKind()
	switch {
	case r.Operation == decision.Create && kind == schema.GroupKind{Group: batchv1.GroupName, Kind: "Job"}:
		return d.madeFromCronJob(ctx, r, bindings)
	case r.Operation == decision.Update && r.OldObject != nil && kind.Group == appsv1.GroupName:
		if revisions, ok := revisionKind(kind.Kind); ok {
			return d.fromRevision(ctx, r, revisions)
		}
	}
	return existingFields{}, nil
}

// revisionKind returns the kind in which a workload's controller stores former templates.
func revisionKind(kind string) (schema.GroupVersionKind, bool) {
	switch kind {
	case "Deployment":
		return replicaSetKind, true
	case "StatefulSet", "DaemonSet":
		return controllerRevisionKind, true
	}
	return schema.GroupVersionKind{}, false
}

// fromRevision looks for a revision with the new template of a workload. Such a revision was
// decided when it was created, unless its controller created it from a template that was
// decided, or that predates the Guardrail.
func (d *Decider) fromRevision(ctx context.Context, r *decision.Request, kind schema.GroupVersionKind) (existingFields, error) {
	name := decision.StringAt(r.OldObject, "metadata", "name")
	uid := decision.StringAt(r.OldObject, "metadata", "uid")
	selector := decision.MapAt(r.OldObject, "spec", "selector")
	if uid == "" || len(selector) == 0 || request.SameTemplate(templateIn(r.OldObject), r.Workload.Pod) {
		return existingFields{}, nil // an unchanged template is not restored
	}
	for revision, err := range d.options.Live.Revisions(ctx, kind, r.Namespace.Name, selector) {
		if err != nil {
			return existingFields{}, err
		}
		if request.Controller(revision).UID != uid || decision.Deleting(revision) || !madeFor(name, revision, kind.Kind) {
			continue
		}
		if request.SameTemplate(r.Workload.Pod, templateOf(revision, kind.Kind), addedTo(kind.Kind)...) {
			return existingFields{why: fmt.Sprintf("as in %s %s", kind.Kind, decision.StringAt(revision, "metadata", "name")), fields: []decision.FieldPath{decision.FieldPath(r.Workload.PodPath)}}, nil
		}
	}
	return existingFields{}, nil
}

// madeFor reports whether a revision has the name that a controller gives to the revisions of
// an object. Without this check, anybody who may delete a workload with wider Exemptions could
// orphan its revisions and have another workload adopt them.
func madeFor(object string, revision map[string]any, kind string) bool {
	name := decision.StringAt(revision, "metadata", "name")
	if kind == "ReplicaSet" {
		hash := templateHash(templateOf(revision, kind))
		return hash != "" && name == beginning(object, validation.DNS1123SubdomainMaxLength-len("-")-len(hash))+"-"+hash
	}
	const longestPrefix = 223
	hash, ok := strings.CutPrefix(name, beginning(object, longestPrefix)+"-")
	return ok && hash != "" && !strings.Contains(hash, "-")
}

func beginning(text string, most int) string { return text[:max(0, min(len(text), most))] }

// fromOwner returns the template of a revision as restored if the object that controls the
// revision currently has it, as when an operator creates the revision instead of the built-in
// controller.
func (d *Decider) fromOwner(ctx context.Context, revision *revisionOf) (existingFields, error) {
	r := revision.request
	owner := request.Controller(r.Object)
	revisions, ok := revisionKind(owner.Kind)
	if !ok || owner.Group != appsv1.GroupName || revisions.Kind != r.Kind.Kind || owner.UID == "" || !madeFor(owner.Name, r.Object, r.Kind.Kind) {
		return existingFields{}, nil
	}
	object, err := d.options.Live.Owner(ctx, appsv1.SchemeGroupVersion.WithKind(owner.Kind), r.Namespace.Name, owner.Name)
	if err != nil {
		return existingFields{}, err
	}
	if uid := decision.StringAt(object, "metadata", "uid"); uid != owner.UID || decision.Deleting(object) ||
		!request.SameTemplate(templateIn(object), revision.template, addedTo(r.Kind.Kind)...) {
		return existingFields{}, nil
	}
	return existingFields{why: fmt.Sprintf("as in %s %s", owner.Kind, owner.Name), fields: []decision.FieldPath{"spec.template"}}, nil
}

func templateOf(revision map[string]any, kind string) map[string]any {
	if kind == "ControllerRevision" {
		return request.RevisionTemplate(revision)
	}
	return templateIn(revision)
}

// addedTo returns the labels that a workload's controller adds to the template of a revision.
func addedTo(kind string) []string {
	if kind == "ReplicaSet" {
		return []string{appsv1.DefaultDeploymentUniqueLabelKey}
	}
	return nil
}

// distrust stops all bindings from trusting the deployment controller if it gives a Deployment
// a template that none of the Deployment's revisions has. It does that for the annotation
// deprecated.deployment.rollback.to, which accepts any adopted ReplicaSet.
func (d *Decider) distrust(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, results []decision.Result) error {
	if d.options.Live == nil || r.Origin != decision.OriginValidating || r.Operation != decision.Update || r.Subresource != "" || r.OldObject == nil ||
		r.Kind.GroupKind() != (schema.GroupKind{Group: appsv1.GroupName, Kind: "Deployment"}) || !config.DeploymentController(r.User) ||
		!enforcedIn(decision.FieldPath(r.Workload.PodPath), bindings, results) || request.SameTemplate(templateIn(r.OldObject), r.Workload.Pod) {
		return nil
	}
	revisions, _ := revisionKind(r.Kind.Kind)
	found, err := d.fromRevision(ctx, r, revisions)
	switch {
	case err != nil && !slices.ContainsFunc(bindings, func(b config.AppliedBinding) bool { return b.Mode == decision.ModeEnforce }):
		return nil // a policy that is not enforced never fails a request
	case err != nil:
		return fmt.Errorf("looking for what the object may be made from: %w", err)
	}
	for i := range bindings {
		bindings[i].Distrusted = found.why == ""
	}
	return nil
}

// enforcedIn reports whether a binding has found a violation in a field and enforces it, or
// would if its Guardrail's mode and the maximum mode were enforce.
func enforcedIn(field decision.FieldPath, bindings []config.AppliedBinding, results []decision.Result) bool {
	for i := range bindings {
		if bindings[i].ModePinned {
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
