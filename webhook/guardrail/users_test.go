package guardrail_test

import (
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/review"
)

// Each task is one controller's, or that of the controller manager where they share its user.
func TestControllersAreKnownByTheirTask(t *testing.T) {
	set, daemons := schema.GroupKind{Group: "apps", Kind: "StatefulSet"}, schema.GroupKind{Group: "apps", Kind: "DaemonSet"}
	users := []review.User{{Name: "system:kube-controller-manager"}, {Name: "deployment-controller"}, {Name: "system:serviceaccount:default:deployment-controller"}}
	for _, name := range controllers() {
		users = append(users, sa(name))
	}
	for _, user := range users {
		manager := user.Name == "system:kube-controller-manager"
		var revisions []schema.GroupKind
		switch {
		case manager:
			revisions = []schema.GroupKind{set, daemons}
		case user.Name == sa("statefulset-controller").Name:
			revisions = []schema.GroupKind{set}
		case user.Name == sa("daemon-set-controller").Name:
			revisions = []schema.GroupKind{daemons}
		}
		if got := guardrail.RevisionController(user); !slices.Equal(got, revisions) {
			t.Errorf("%s keeps revisions of %v", user.Name, got)
		}
		if got := guardrail.DeploymentController(user); got != (manager || user.Name == sa("deployment-controller").Name) {
			t.Errorf("%s makes ReplicaSets: %v", user.Name, got)
		}
		if got := guardrail.GarbageCollector(user); got != (manager || user.Name == sa("generic-garbage-collector").Name) {
			t.Errorf("%s collects garbage: %v", user.Name, got)
		}
	}
}

// Where nobody knows a namespace's labels, it may lose what binds under the strictest mode.
func TestTheMostThatMayBeLost(t *testing.T) {
	const enforce, warn, audit = review.ModeEnforce, review.ModeWarn, review.ModeAudit
	type slots = map[int]review.Mode
	on := expression("guard", "Exists")
	apart := on
	apart.ExcludeNamespaces = []string{"team-a"}
	for name, c := range map[string]struct {
		set     guardrail.Set
		ceiling review.Mode
		want    string
	}{
		"none":              {nil, 0, "Mode(0) []"},
		"the strictest":     {guardrail.Set{bind(t, "a", on, slots{0: audit, 1: warn}), bind(t, "b", on, slots{0: enforce}), bind(t, "c", on, slots{0: warn})}, 0, "enforce [b]"},
		"the first":         {guardrail.Set{bind(t, "a", on, slots{0: enforce, 1: warn}), bind(t, "b", on, slots{0: audit})}, 0, "enforce [a]"},
		"each once":         {guardrail.Set{bind(t, "a", on, slots{0: warn, 1: warn}), bind(t, "b", on, slots{0: warn, 1: audit})}, 0, "warn [a b]"},
		"under a ceiling":   {guardrail.Set{bind(t, "a", on, slots{0: enforce}), bind(t, "b", on, slots{0: warn})}, warn, "warn [a b]"},
		"one that excludes": {guardrail.Set{bind(t, "a", apart, slots{0: enforce}), bind(t, "b", on, slots{0: audit})}, 0, "audit [b]"},
	} {
		strictest, guardrails := c.set.Unseen("team-a", c.ceiling)
		if got := fmt.Sprintf("%v %v", strictest, guardrails); got != c.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
