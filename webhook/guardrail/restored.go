package guardrail

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// Restored says which fields of an object are not new to the cluster although they are
// new to the object: a rollback brings a template back, and a Job started by hand is made
// from its CronJob. They are tolerated whatever a Guardrail says of what exists.
type Restored struct {
	// Has reports whether the field at a path is one of them; nil where none is.
	Has func(path string) bool
	// Why says where they are from, in words that end a warning.
	Why string
	// Decided reports whether the binding of that index has decided a finding's like where
	// the field is from, and nothing excused it there. It may be nil: then every binding has.
	Decided func(bound int, f *decision.Finding) bool
}

func (e *Evidence) tolerateRestored(candidates []candidate) error {
	if e.Restored == nil || !anyDenies(candidates) {
		return nil
	}
	restored, err := e.Restored()
	if err != nil || restored.Has == nil {
		return err
	}
	for i := range candidates {
		c := &candidates[i]
		if c.finding.Denies() && !c.failed() && restored.Has(c.finding.Path) && (restored.Decided == nil || restored.Decided(c.bound, &c.finding)) {
			c.excuse(restored.Why)
		}
	}
	return nil
}

// Trusting is the same Guardrail with other trusted writers: those users, and beside them
// only the built-in controllers.
func (g *Guardrail) Trusting(users ...string) *Guardrail {
	other := *g
	other.trusted = v1alpha1.TrustedWriters{Users: users}
	return &other
}

// Unnarrowed are the Exemptions that excuse an object of their kinds whatever its name.
func (all Exemptions) Unnarrowed() Exemptions {
	return slices.DeleteFunc(slices.Clone(all), func(e *Exemption) bool { return len(e.Names) > 0 })
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
