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

// EffectiveMode returns the mode of a finding about the field at a path. What a trusted writer
// writes is recorded and never denied. Trust depends on the authenticated user name, never on
// ownerReferences alone, which anyone can write.
func (b *AppliedBinding) EffectiveMode(r *decision.Request, path string) decision.Mode {
	if b.trusts(r, path) {
		return min(b.Mode, decision.ModeAudit)
	}
	return b.Mode
}

// WouldDeny reports whether the binding would deny a finding at a path if its Guardrail's mode
// and the maximum mode were enforce.
func (b *AppliedBinding) WouldDeny(r *decision.Request, path string) bool {
	return !b.ModePinned && !b.trusts(r, path)
}

func (b *AppliedBinding) trusts(r *decision.Request, path string) bool {
	return !b.Distrusted && (b.trustsControlPlane(r, path) || MirrorPod(r) || b.Guardrail.Trusts(r.User))
}

// Trusts reports whether a user is one of the Guardrail's trusted writers.
func (g *Guardrail) Trusts(user decision.User) bool {
	return slices.Contains(g.trusted.Users, user.Name) ||
		slices.ContainsFunc(user.Groups, func(group string) bool { return slices.Contains(g.trusted.Groups, group) })
}

// MirrorPod reports whether a kubelet registers a static Pod, which runs whatever the decision:
// the user is a node, the Pod's only owner is that node, and the kubelet has annotated it.
func MirrorPod(r *decision.Request) bool {
	node, ok := strings.CutPrefix(r.User.Name, "system:node:")
	if !ok || !slices.Contains(r.User.Groups, "system:nodes") || r.Kind.GroupKind() != (schema.GroupKind{Kind: "Pod"}) {
		return false
	}
	annotations := decision.MapAt(r.Object, "metadata", "annotations")
	owners, _ := decision.ValueAt(r.Object, "metadata", "ownerReferences").([]any)
	return annotations[corev1.MirrorPodAnnotationKey] != nil && len(owners) == 1 && slices.ContainsFunc(owners, func(item any) bool {
		owner, _ := item.(map[string]any)
		return owner["kind"] == "Node" && owner["name"] == node
	})
}

// The users of the control plane. With --use-service-account-credentials, each controller has
// its own service account; otherwise all of them share the controller-manager's user.
const (
	apiServer         = "system:apiserver"
	scheduler         = "system:kube-scheduler"
	controllerManager = "system:kube-controller-manager"
	controllerPrefix  = "system:serviceaccount:kube-system:"
)

// trustsControlPlane reports whether a part of the control plane writes the field at a path and
// needs no decision about it. What a controller copies from a template has been decided if the
// binding covers the kinds that have the template; otherwise nothing has been decided yet.
func (b *AppliedBinding) trustsControlPlane(r *decision.Request, path string) bool {
	var controllers []decision.Controller
	switch r.User.Name {
	case apiServer:
		return true // it writes only what it depends on, such as its own Service
	case scheduler:
		return r.Kind.GroupKind() == schema.GroupKind{Kind: "PersistentVolumeClaim"} // it writes the node that was selected
	case controllerManager:
		controllers = controllersOf(decision.Controllers(r.Kind.GroupKind()), r)
	default:
		name, ok := strings.CutPrefix(r.User.Name, controllerPrefix)
		if !ok {
			return false
		}
		controllers = slices.DeleteFunc(decision.Controllers(r.Kind.GroupKind()), func(c decision.Controller) bool { return c.Name != name })
	}
	return len(controllers) > 0 && !slices.ContainsFunc(controllers, func(c decision.Controller) bool {
		return writesTemplate(&c, r, path) && !c.Decided(b.Policy.Kinds)
	})
}

// CreatesFromTemplate reports whether a user is a built-in controller that creates objects of a
// kind from templates.
func CreatesFromTemplate(user decision.User, kind schema.GroupKind) bool {
	name, account := strings.CutPrefix(user.Name, controllerPrefix)
	return slices.ContainsFunc(decision.Controllers(kind), func(c decision.Controller) bool {
		return len(c.From) > 0 && (user.Name == controllerManager || account && c.Name == name)
	})
}

// writesTemplate reports whether the field at a path may come from the template that a
// controller copies. Creating an object copies all of it; an update of such an object, for
// example to scale it, copies nothing.
func writesTemplate(c *decision.Controller, r *decision.Request, path string) bool {
	switch {
	case len(c.From) == 0:
		return false
	case c.Updates:
		return r.Workload != nil && withinEither(decision.FieldPath(path), decision.FieldPath(r.Workload.PodPath))
	}
	return r.Operation == decision.Create
}

func withinEither(a, b decision.FieldPath) bool { return a.Within(b) || b.Within(a) }

// controllersOf returns the one of the controllers sharing a user that the object names as its
// controller, or all of them if it names none. Only controllers get here, and they set that
// reference truthfully. An object without it may come from any of them.
func controllersOf(controllers []decision.Controller, r *decision.Request) []decision.Controller {
	controller := request.Controller(r.Object)
	owner := schema.GroupKind{Group: controller.Group, Kind: controller.Kind}
	if at := slices.IndexFunc(controllers, func(c decision.Controller) bool { return c.Owner == owner }); at >= 0 {
		return controllers[at : at+1]
	}
	return controllers
}

// Trusting returns a copy of the Guardrail that trusts only the given users and the built-in
// controllers.
func (g *Guardrail) Trusting(users ...string) *Guardrail {
	other := *g
	other.trusted = v1alpha1.TrustedWriters{Users: users}
	return &other
}

// DeploymentController reports whether a user is the deployment controller, which creates
// ReplicaSets from Deployments, and copies ReplicaSets to Deployments for a rollback.
func DeploymentController(user decision.User) bool {
	return user.Name == controllerManager || user.Name == controllerPrefix+"deployment-controller"
}

// RevisionController returns the kinds whose templates a user stores in ControllerRevisions, if
// it is a controller that does so, and nil otherwise.
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

// GarbageCollector reports whether a user is the garbage collector, which removes the
// ownerReferences of orphaned dependents.
func GarbageCollector(user decision.User) bool {
	return user.Name == controllerManager || user.Name == controllerPrefix+"generic-garbage-collector"
}
