package pipeline

import (
	"context"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// A rollback to a revision is tolerated, so anything that could serve as a revision is decided
// when it is written, as the workload that a rollback would produce. Afterward nothing in a
// revision proves who wrote it: labels, owners, annotations and managed fields can all be
// forged. Only its name, and the data of a ControllerRevision, are immutable.

// decideRevision decides the template in a ControllerRevision as that of the StatefulSet or
// DaemonSet that a rollback would produce. Findings name fields of the ControllerRevision. Only
// the template is decided, because a revision has no other field of these kinds.
func (d *Decider) decideRevision(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	result := &decision.Decision{Verdict: decision.VerdictAllow, Unbound: true}
	if r.Revision == nil {
		return result, nil
	}
	part := revisionScope(r)
	part.only = decision.FieldPath(r.Revision.Workload.PodPath)
	if part.strict {
		part.revision = &revisionOf{request: r, template: r.Revision.Workload.Pod}
	}
	for _, kind := range revisedKinds(r) {
		set, err := request.As(r.Revision, kind)
		if err != nil {
			return nil, err
		}
		if r.Operation == decision.Update && !rehomed(r) {
			set.Operation, set.OldObject = r.Operation, r.Revision.OldObject
		}
		made, err := d.decide(ctx, set, part)
		if err != nil {
			return nil, err
		}
		join(result, made)
		result.Fills = made.Fills
	}
	for i := range result.Findings {
		f := &result.Findings[i]
		if f.Path != "" {
			f.Path = request.RevisionData + "." + f.Path
		}
		fix := make([]decision.PatchOperation, 0, len(f.Fix))
		for _, operation := range f.Fix {
			operation.Path = "/" + request.RevisionData + operation.Path
			fix = append(fix, operation)
		}
		f.Fix = fix
	}
	return result, nil
}

// revisedKinds returns the kinds that a ControllerRevision is decided as. Policies may cover
// only one of them, and the ownerReference does not prove which controller will use it:
// controllers match the UID, and adopt revisions without an owner. A built-in controller's own
// revisions are decided as its kind only.
func revisedKinds(r *decision.Request) []schema.GroupVersionKind {
	all := request.RevisedKinds()
	if own := config.RevisionController(r.User); own != nil {
		return slices.DeleteFunc(all, func(kind schema.GroupVersionKind) bool { return !slices.Contains(own, kind.GroupKind()) })
	}
	return all
}

// revisionScope returns who is exempt from findings in a ControllerRevision. If a StatefulSet
// or DaemonSet may use it, it allows its content from then on, so findings are tolerated only
// if its owner has the same template. Revisions of other kinds are used by their own
// controllers; but because ownerReferences can be removed, only Exemptions that apply to
// objects of any name apply to them.
func revisionScope(r *decision.Request) scope {
	switch {
	case config.RevisionController(r.User) != nil:
		return scope{trusted: true}
	case adoptable(r):
		return scope{strict: true}
	}
	return scope{unnarrowed: true}
}

// adoptable reports whether a ControllerRevision is owned by a StatefulSet or DaemonSet, or has
// no controller, so that one of these may adopt it.
func adoptable(r *decision.Request) bool {
	owner := request.Controller(r.Object)
	return owner == (request.Owner{}) || owner.Group == appsv1.GroupName && (owner.Kind == "StatefulSet" || owner.Kind == "DaemonSet")
}

// rehomed reports whether an UPDATE removes a ControllerRevision from its controller. Its data
// was decided for that controller only. The garbage collector is excluded: it removes the owner
// when that is deleted with its dependents orphaned.
func rehomed(r *decision.Request) bool {
	before := request.Controller(r.OldObject)
	return r.Operation == decision.Update && before != (request.Owner{}) && before != request.Controller(r.Object) &&
		!config.GarbageCollector(r.User) && config.RevisionController(r.User) == nil
}

// decideAdoptable decides a ReplicaSet that a Deployment could adopt as the Deployment that a
// rollback to it would produce. It returns nil for other objects. Exemptions and trusted
// writers do not apply, because they would extend to every Deployment that is rolled back to
// it.
func (d *Decider) decideAdoptable(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	if !adoptableReplicaSet(r) {
		return nil, nil
	}
	deployment, err := request.As(r, appsv1.SchemeGroupVersion.WithKind("Deployment"))
	if err != nil {
		return nil, err
	}
	result, err := d.decide(ctx, deployment, scope{
		only: decision.FieldPath(r.Workload.PodPath), strict: true, revision: &revisionOf{request: r, template: r.Workload.Pod},
	})
	if err != nil {
		return nil, err
	}
	for i := range result.Findings {
		result.Findings[i].Message += ", and a Deployment could be rolled back to this ReplicaSet"
	}
	return result, nil
}

// adoptableReplicaSet reports whether a request writes a template into a ReplicaSet that may
// become a Deployment's revision. Deployments adopt ReplicaSets by labels, whatever the owner;
// but a rollback considers only those with the hash in their template.
func adoptableReplicaSet(r *decision.Request) bool {
	if r.Kind.GroupKind() != (schema.GroupKind{Group: appsv1.GroupName, Kind: "ReplicaSet"}) || r.Subresource != "" ||
		r.Origin == decision.OriginLive || r.Workload == nil || config.DeploymentController(r.User) || templateHash(r.Workload.Pod) == "" {
		return false
	}
	return r.Operation == decision.Create || !request.SameTemplate(templateIn(r.OldObject), r.Workload.Pod)
}

func templateHash(template map[string]any) string {
	hash := decision.StringAt(template, "metadata", "labels", appsv1.DefaultDeploymentUniqueLabelKey)
	return hash
}

// templateIn returns the Pod template of a workload other than a CronJob.
func templateIn(object map[string]any) map[string]any {
	return decision.MapAt(object, "spec", "template")
}

// revisionOf is a request for a ReplicaSet or ControllerRevision, and the template in it.
type revisionOf struct {
	request  *decision.Request
	template map[string]any
}
