package guardrail

import (
	"slices"
	"strings"

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

func (b *Bound) trusts(r *review.Request) bool {
	return builtInController(r) || mirrorPod(r) || b.Guardrail.trusts(r.User)
}

func (g *Guardrail) trusts(user review.User) bool {
	return slices.Contains(g.trusted.Users, user.Name) ||
		slices.ContainsFunc(user.Groups, func(group string) bool { return slices.Contains(g.trusted.Groups, group) })
}

// mirrorPod tells whether a kubelet reports a static Pod, which runs whatever is said:
// the user is a node, and the Pod's owner is that node.
func mirrorPod(r *review.Request) bool {
	node, ok := strings.CutPrefix(r.User.Name, "system:node:")
	if !ok || r.Kind.GroupKind() != (schema.GroupKind{Kind: "Pod"}) {
		return false
	}
	metadata, _ := r.Object["metadata"].(map[string]any)
	owners, _ := metadata["ownerReferences"].([]any)
	return len(owners) == 1 && slices.ContainsFunc(owners, func(item any) bool {
		owner, _ := item.(map[string]any)
		return owner["kind"] == "Node" && owner["name"] == node
	})
}

// builtInController tells whether a controller of the controller-manager makes an
// object from a template. With --use-service-account-credentials each has a service
// account of its own; without, all of them are system:kube-controller-manager.
func builtInController(r *review.Request) bool {
	var controllers []string
	switch r.Kind.GroupKind().String() {
	case "Pod":
		controllers = []string{"replicaset-controller", "statefulset-controller", "daemon-set-controller", "job-controller", "replication-controller"}
	case "ReplicaSet.apps":
		controllers = []string{"deployment-controller"}
	case "Job.batch":
		controllers = []string{"cronjob-controller"}
	default:
		return false
	}
	if r.User.Name == "system:kube-controller-manager" {
		return true
	}
	name, ok := strings.CutPrefix(r.User.Name, "system:serviceaccount:kube-system:")
	return ok && slices.Contains(controllers, name)
}
