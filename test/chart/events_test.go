package chart

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Events, and the right to create them, are there only where that was chosen.
func TestEventsAreChosen(t *testing.T) {
	h := helm4(t)
	for set, want := range map[string]bool{"events.enabled=false": false, "events.enabled=true": true} {
		objects := render(t, h, release().with(set, "audit.ownerLabel=example.com/team"))
		for _, name := range []string{"taffrail", "taffrail-audit"} {
			args := deployment(t, objects, name).Spec.Template.Spec.Containers[0].Args
			if slices.Contains(args, "--events") != want {
				t.Errorf("%s: %s has %q", set, name, args)
			}
			if want && !slices.Contains(args, "--owner-labels=example.com/team") {
				t.Errorf("%s: %s does not know the owner label", set, name)
			}
			rules := find[rbacv1.ClusterRole](t, objects, "ClusterRole", name).Rules
			creates := slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
				return slices.Contains(r.APIGroups, "events.k8s.io") && slices.Equal(r.Verbs, []string{"create"})
			})
			if creates != want {
				t.Errorf("%s: %s may create Events: %t", set, name, creates)
			}
		}
	}
}
