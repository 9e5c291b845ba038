package guardrail

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/review"
)

// EffectiveMode is the binding's mode for a request's writer: one who is trusted is
// recorded and never denied. Trust rests on the authenticated user name and never on
// ownerReferences alone, which anyone can write.
func (b *Bound) EffectiveMode(r *review.Request) review.Mode {
	if b.trusts(r) {
		return min(b.Mode, review.ModeAudit)
	}
	return b.Mode
}

// WouldDeny reports whether the binding denies a request's writer anything once its
// Guardrail's mode and the ceiling are enforce.
func (b *Bound) WouldDeny(r *review.Request) bool { return !b.Held && !b.trusts(r) }

func (b *Bound) trusts(r *review.Request) bool {
	return builtInController(r) || MirrorPod(r) || b.Guardrail.trusts(r.User)
}

func (g *Guardrail) trusts(user review.User) bool {
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

// builtInController tells whether a part of the control plane writes what it makes or
// looks after. What it makes it from, a template, was decided on its own.
func builtInController(r *review.Request) bool {
	controllers := controllersOf(r.Kind.GroupKind())
	switch r.User.Name {
	case apiServer:
		return true // it writes what it cannot do without, such as its own Service
	case scheduler:
		return r.Kind.GroupKind() == schema.GroupKind{Kind: "PersistentVolumeClaim"} // on which node it is to be
	case controllerManager:
		return len(controllers) > 0
	}
	name, ok := strings.CutPrefix(r.User.Name, controllerPrefix)
	return ok && slices.Contains(controllers, name)
}

// controllersOf are the controllers that write objects of a kind, other than their
// statuses, which are not asked about, and their finalizers and ownerReferences, for which
// nobody is denied.
func controllersOf(kind schema.GroupKind) []string {
	switch kind.String() {
	case "Pod":
		return []string{"replicaset-controller", "statefulset-controller", "daemon-set-controller", "job-controller", "replication-controller"}
	case "ReplicaSet.apps":
		return []string{"deployment-controller"}
	case "Deployment.apps":
		// By the annotation deprecated.deployment.rollback.to it puts a ReplicaSet's template
		// back. Until that succeeds, it does nothing else for the Deployment.
		return []string{"deployment-controller"}
	case "Job.batch":
		return []string{"cronjob-controller"}
	case "DaemonSet.apps":
		// As which ControllerRevisions are decided: DaemonSets themselves they do not write.
		return []string{"statefulset-controller", "daemon-set-controller"}
	case "PersistentVolumeClaim":
		return []string{"statefulset-controller", "ephemeral-volume-controller", "persistent-volume-binder", "expand-controller"}
	case "ConfigMap":
		return []string{"root-ca-cert-publisher", "bootstrap-signer"}
	case "Secret":
		return []string{"legacy-service-account-token-cleaner"}
	}
	return nil
}
