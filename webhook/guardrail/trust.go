package guardrail

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/review"
)

// EffectiveMode returns the mode of a finding about the field at a path: what a trusted
// writer writes is recorded and never denied. Trust rests on the authenticated user name
// and never on ownerReferences alone, which anyone can write.
func (b *Bound) EffectiveMode(r *review.Request, path string) review.Mode {
	if b.trusts(r, path) {
		return min(b.Mode, review.ModeAudit)
	}
	return b.Mode
}

// WouldDeny reports whether the binding denies a request's writer what is found at a path
// once its Guardrail's mode and the ceiling are enforce.
func (b *Bound) WouldDeny(r *review.Request, path string) bool {
	return !b.Held && !b.trusts(r, path)
}

func (b *Bound) trusts(r *review.Request, path string) bool {
	return !b.Distrusted && (b.trustsControlPlane(r, path) || MirrorPod(r) || b.Guardrail.Trusts(r.User))
}

// Trusts reports whether the Guardrail names a user among its trusted writers.
func (g *Guardrail) Trusts(user review.User) bool {
	return slices.Contains(g.trusted.Users, user.Name) ||
		slices.ContainsFunc(user.Groups, func(group string) bool { return slices.Contains(g.trusted.Groups, group) })
}

// MirrorPod tells whether a kubelet reports a static Pod, which runs whatever is said:
// the user is a node, the Pod's only owner is that node, and the kubelet has marked it.
func MirrorPod(r *review.Request) bool {
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
func (b *Bound) trustsControlPlane(r *review.Request, path string) bool {
	makers := review.Makers(r.Kind.GroupKind())
	switch r.User.Name {
	case apiServer:
		return true // it writes what it cannot do without, such as its own Service
	case scheduler:
		return r.Kind.GroupKind() == schema.GroupKind{Kind: "PersistentVolumeClaim"} // on which node it is to be
	case controllerManager:
		makers = makersOf(makers, r)
	default:
		name, ok := strings.CutPrefix(r.User.Name, controllerPrefix)
		makers = slices.DeleteFunc(makers, func(m review.Maker) bool { return !ok || m.Controller != name })
	}
	return len(makers) > 0 && !slices.ContainsFunc(makers, func(m review.Maker) bool {
		return writesTemplate(&m, r, path) && !m.Decided(b.Policy.Kinds)
	})
}

// MakesFromTemplate reports whether a user is a built-in controller that creates objects of a
// kind from templates.
func MakesFromTemplate(user review.User, kind schema.GroupKind) bool {
	name, account := strings.CutPrefix(user.Name, controllerPrefix)
	return slices.ContainsFunc(review.Makers(kind), func(m review.Maker) bool {
		return len(m.From) > 0 && (user.Name == controllerManager || account && m.Controller == name)
	})
}

// writesTemplate reports whether the field at a path may come from a template that the
// Maker works by. A whole object is created from one. An update of such an object, as for
// scaling, brings no template in.
func writesTemplate(m *review.Maker, r *review.Request, path string) bool {
	switch {
	case len(m.From) == 0:
		return false
	case m.Updates:
		return r.Workload != nil && (review.Within(path, r.Workload.PodPath) || review.Within(r.Workload.PodPath, path))
	}
	return r.Operation == review.Create
}

// makersOf narrows the controllers that share one user down to the one that the object
// names as its controller. Only the controllers get here, and they write that truthfully.
// An object that names none of them may be anyone's.
func makersOf(makers []review.Maker, r *review.Request) []review.Maker {
	controller := normalize.Controller(r.Object)
	owner := schema.GroupKind{Group: controller.Group, Kind: controller.Kind}
	if at := slices.IndexFunc(makers, func(m review.Maker) bool { return m.Owner == owner }); at >= 0 {
		return makers[at : at+1]
	}
	return makers
}
