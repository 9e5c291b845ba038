package config

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// EffectiveMode returns the mode of a finding about the field at a path: what a trusted
// writer writes is recorded and never denied. Trust rests on the authenticated user name
// and never on ownerReferences alone, which anyone can write.
func (b *AppliedBinding) EffectiveMode(r *decision.Request, path string) decision.Mode {
	if b.trusts(r, path) {
		return min(b.Mode, decision.ModeAudit)
	}
	return b.Mode
}

// WouldDeny reports whether the binding denies a request's writer what is found at a path
// once its Guardrail's mode and the ceiling are enforce.
func (b *AppliedBinding) WouldDeny(r *decision.Request, path string) bool {
	return !b.ModePinned && !b.trusts(r, path)
}

func (b *AppliedBinding) trusts(r *decision.Request, path string) bool {
	return !b.Distrusted && (b.trustsControlPlane(r, path) || MirrorPod(r) || b.Guardrail.Trusts(r.User))
}

// Trusts reports whether the Guardrail names a user among its trusted writers.
func (g *Guardrail) Trusts(user decision.User) bool {
	return slices.Contains(g.trusted.Users, user.Name) ||
		slices.ContainsFunc(user.Groups, func(group string) bool { return slices.Contains(g.trusted.Groups, group) })
}

// MirrorPod tells whether a kubelet reports a static Pod, which runs whatever is said:
// the user is a node, the Pod's only owner is that node, and the kubelet has marked it.
func MirrorPod(r *decision.Request) bool {
	node, ok := strings.CutPrefix(r.User.Name, "system:node:")
	if !ok || !slices.Contains(r.User.Groups, "system:nodes") || r.Kind.GroupKind() != (schema.GroupKind{Kind: "Pod"}) {
		return false
	}
	metadata, _ := r.Object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	owners, _ := metadata["ownerReferences"].([]any)
	return annotations[corev1.MirrorPodAnnotationKey] != nil && len(owners) == 1 && slices.ContainsFunc(owners, func(item any) bool {
		owner, _ := item.(map[string]any)
		return owner["kind"] == "Node" && owner["name"] == node
	})
}

// The control plane's users. With --use-service-account-credentials each controller has a
// service account of its own; without, all of them are the controller-manager.
const (
	apiServer         = "system:apiserver"
	scheduler         = "system:kube-scheduler"
	controllerManager = "system:kube-controller-manager"
	controllerPrefix  = "system:serviceaccount:kube-system:"
)

// trustsControlPlane reports whether a part of the control plane writes the field at a path
// and needs no decision for it. What a controller writes from a template was decided where
// the binding is about the kinds that carry the template. Where it is not, nothing has been
// decided yet.
func (b *AppliedBinding) trustsControlPlane(r *decision.Request, path string) bool {
	makers := decision.Makers(r.Kind.GroupKind())
	switch r.User.Name {
	case apiServer:
		return true // it writes what it cannot do without, such as its own Service
	case scheduler:
		return r.Kind.GroupKind() == schema.GroupKind{Kind: "PersistentVolumeClaim"} // on which node it is to be
	case controllerManager:
		makers = makersOf(makers, r)
	default:
		name, ok := strings.CutPrefix(r.User.Name, controllerPrefix)
		makers = slices.DeleteFunc(makers, func(m decision.Maker) bool { return !ok || m.Controller != name })
	}
	return len(makers) > 0 && !slices.ContainsFunc(makers, func(m decision.Maker) bool {
		return writesTemplate(&m, r, path) && !m.Decided(b.Policy.Kinds)
	})
}

// MakesFromTemplate reports whether a user is a built-in controller that creates objects of a
// kind from templates.
func MakesFromTemplate(user decision.User, kind schema.GroupKind) bool {
	name, account := strings.CutPrefix(user.Name, controllerPrefix)
	return slices.ContainsFunc(decision.Makers(kind), func(m decision.Maker) bool {
		return len(m.From) > 0 && (user.Name == controllerManager || account && m.Controller == name)
	})
}

// writesTemplate reports whether the field at a path may come from a template that the
// Maker works by. A whole object is created from one. An update of such an object, as for
// scaling, brings no template in.
func writesTemplate(m *decision.Maker, r *decision.Request, path string) bool {
	switch {
	case len(m.From) == 0:
		return false
	case m.Updates:
		return r.Workload != nil && withinEither(decision.FieldPath(path), decision.FieldPath(r.Workload.PodPath))
	}
	return r.Operation == decision.Create
}

func withinEither(a, b decision.FieldPath) bool { return a.Within(b) || b.Within(a) }

// makersOf narrows the controllers that share one user down to the one that the object
// names as its controller. Only the controllers get here, and they write that truthfully.
// An object that names none of them may be anyone's.
func makersOf(makers []decision.Maker, r *decision.Request) []decision.Maker {
	controller := request.Controller(r.Object)
	owner := schema.GroupKind{Group: controller.Group, Kind: controller.Kind}
	if at := slices.IndexFunc(makers, func(m decision.Maker) bool { return m.Owner == owner }); at >= 0 {
		return makers[at : at+1]
	}
	return makers
}

// Trusting is the same Guardrail with other trusted writers: those users, and beside them
// only the built-in controllers.
func (g *Guardrail) Trusting(users ...string) *Guardrail {
	other := *g
	other.trusted = v1alpha1.TrustedWriters{Users: users}
	return &other
}

// DeploymentController reports whether a user is the deployment controller, which makes
// ReplicaSets from Deployments, and Deployments from ReplicaSets where it rolls back.
func DeploymentController(user decision.User) bool {
	return user.Name == controllerManager || user.Name == controllerPrefix+"deployment-controller"
}

// RevisionController reports whether a user is a controller that keeps its objects'
// templates in ControllerRevisions, and of which kinds; kinds is nil where it is none.
func RevisionController(user decision.User) (kinds []schema.GroupKind) {
	set, daemons := schema.GroupKind{Group: "apps", Kind: "StatefulSet"}, schema.GroupKind{Group: "apps", Kind: "DaemonSet"}
	switch user.Name {
	case controllerManager:
		return []schema.GroupKind{set, daemons}
	case controllerPrefix + "statefulset-controller":
		return []schema.GroupKind{set}
	case controllerPrefix + "daemon-set-controller":
		return []schema.GroupKind{daemons}
	}
	return nil
}

// GarbageCollector reports whether a user is the garbage collector, which takes away the
// ownerReferences of what its owner leaves behind.
func GarbageCollector(user decision.User) bool {
	return user.Name == controllerManager || user.Name == controllerPrefix+"generic-garbage-collector"
}
