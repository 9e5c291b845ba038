package guardrail

import (
	"slices"
	"strings"

	"taffrail.dev/webhook/review"
)

// trusts says why a request's writer is recorded and never denied, or nothing. Trust
// rests on the authenticated user name and never on ownerReferences, which anyone can
// write.
func (g *Guardrail) trusts(r *review.Request) string {
	if builtInController(r) {
		return "its template was decided on its own"
	}
	if slices.Contains(g.trusted.Users, r.User.Name) {
		return "Guardrail " + g.Name + " trusts this writer"
	}
	for _, group := range r.User.Groups {
		if slices.Contains(g.trusted.Groups, group) {
			return "Guardrail " + g.Name + " trusts this writer"
		}
	}
	return ""
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
