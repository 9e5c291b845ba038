package pipeline

import (
	"context"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"

	"taffrail.dev/webhook/request"
)

// A rollback to a revision is tolerated, so whatever may be taken for a revision is decided
// when it is written, as what a rollback to it would make. Nothing in a revision says later
// who wrote it: labels, owners, annotations and managed fields can all be forged. Its name,
// and the data of a ControllerRevision, cannot be changed.

// decideRevision decides the template in a ControllerRevision as that of the StatefulSet
// or DaemonSet which a rollback to it would make, and names fields as the
// ControllerRevision has them. Of all else that those have, a revision has nothing.
func (p *Decider) decideRevision(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	d := &decision.Decision{Verdict: decision.VerdictAllow, Unbound: true}
	if r.Revision == nil {
		return d, nil
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
		decision, err := p.decide(ctx, set, part)
		if err != nil {
			return nil, err
		}
		join(d, decision)
		d.Fills = decision.Fills
	}
	for i := range d.Findings {
		f := &d.Findings[i]
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
	return d, nil
}

// revisedKinds are the kinds that a ControllerRevision is decided as. Policies may be about
// one of them only, and its ownerReference does not say which will use it: controllers go
// by the uid in it, and adopt what has none. Their own revisions are their own kind's.
func revisedKinds(r *decision.Request) []schema.GroupVersionKind {
	all := request.RevisedKinds()
	if own := config.RevisionController(r.User); own != nil {
		return slices.DeleteFunc(all, func(kind schema.GroupVersionKind) bool { return !slices.Contains(own, kind.GroupKind()) })
	}
	return all
}

// revisionScope says who is excused from what is found in a ControllerRevision. One that
// StatefulSets and DaemonSets may take for theirs excuses later whatever it has, so nothing
// excuses it but that its owner has the same. Other kinds' are their controllers' business;
// but ownerReferences can be taken away, so what excuses them must excuse everybody's.
func revisionScope(r *decision.Request) scope {
	switch {
	case config.RevisionController(r.User) != nil:
		return scope{trusted: true}
	case adoptable(r):
		return scope{strict: true}
	}
	return scope{unnarrowed: true}
}

// adoptable reports whether a ControllerRevision is a StatefulSet's or a DaemonSet's, or
// nobody's, so that it may become one's.
func adoptable(r *decision.Request) bool {
	owner := request.Controller(r.Object)
	return owner == (request.Owner{}) || owner.Group == appsv1.GroupName && (owner.Kind == "StatefulSet" || owner.Kind == "DaemonSet")
}

// rehomed reports whether an UPDATE takes a ControllerRevision from the object that
// controls it. Its data was then decided for another one. The garbage collector does so
// where an owner is deleted and leaves its revisions behind.
func rehomed(r *decision.Request) bool {
	before := request.Controller(r.OldObject)
	return r.Operation == decision.Update && before != (request.Owner{}) && before != request.Controller(r.Object) &&
		!config.GarbageCollector(r.User) && config.RevisionController(r.User) == nil
}

// decideClaim decides a ReplicaSet that a Deployment could take for a revision of its own
// as the Deployment that a rollback to it would make; nil where it is none. Neither
// Exemptions nor trusted writers excuse it: they would excuse every Deployment that is
// rolled back to it.
func (p *Decider) decideClaim(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	if !claims(r) {
		return nil, nil
	}
	deployment, err := request.As(r, appsv1.SchemeGroupVersion.WithKind("Deployment"))
	if err != nil {
		return nil, err
	}
	d, err := p.decide(ctx, deployment, scope{
		only: decision.FieldPath(r.Workload.PodPath), strict: true, revision: &revisionOf{request: r, template: r.Workload.Pod},
	})
	if err != nil {
		return nil, err
	}
	for i := range d.Findings {
		d.Findings[i].Message += ", and a Deployment could be rolled back to this ReplicaSet"
	}
	return d, nil
}

// claims reports whether a request writes a template into a ReplicaSet that may become a
// Deployment's revision. Deployments adopt ReplicaSets by their labels, so the owner says
// nothing; but only those that have the hash in their template are rolled back to.
func claims(r *decision.Request) bool {
	if r.Kind.GroupKind() != (schema.GroupKind{Group: appsv1.GroupName, Kind: "ReplicaSet"}) || r.Subresource != "" ||
		r.Origin == decision.OriginLive || r.Workload == nil || config.DeploymentController(r.User) || templateHash(r.Workload.Pod) == "" {
		return false
	}
	return r.Operation == decision.Create || !request.SameTemplate(templateIn(r.OldObject), r.Workload.Pod)
}

func templateHash(template map[string]any) string {
	hash, _, _ := unstructured.NestedString(template, "metadata", "labels", appsv1.DefaultDeploymentUniqueLabelKey)
	return hash
}

// templateIn is the Pod template of a workload other than a CronJob.
func templateIn(object map[string]any) map[string]any {
	return mapOf(mapOf(object, "spec"), "template")
}
