package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// newUser creates a user with the given permissions, and waits until RBAC grants them.
func newUser(t *testing.T, name string, rules ...rbacv1.PolicyRule) *harness.User {
	t.Helper()
	user, err := cluster.NewUser(unique(name))
	must(t, err)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user.Name}, Rules: rules}
	must(t, cluster.Admin.Client.Create(t.Context(), role))
	must(t, cluster.Admin.Client.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user.Name}},
	}))
	last := rules[len(rules)-1]
	asked := &authorizationv1.ResourceAttributes{Verb: last.Verbs[0], Group: last.APIGroups[0], Resource: last.Resources[0]}
	if len(last.ResourceNames) > 0 {
		asked.Name = last.ResourceNames[0]
	}
	eventually(t, "the rights of "+user.Name, func(ctx context.Context) error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user.Name, ResourceAttributes: asked}}
		if err := cluster.Admin.Client.Create(ctx, review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return fmt.Errorf("not allowed: %s", review.Status.Reason)
		}
		return nil
	})
	return user
}

func editsNamespaces() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "create", "update", "patch"}}
}

func relaxes(guardrail string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"taffrail.dev"}, Resources: []string{"guardrails"}, ResourceNames: []string{guardrail}, Verbs: []string{"relax"}}
}

// relabeled patches one label of a namespace as a user, as a dry run; null removes it.
func relabeled(t *testing.T, user *harness.User, namespace, label, value string) *harness.Answer {
	t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, label, value)
	return user.Patch(t.Context(), named(namespace), client.RawPatch(types.MergePatchType, []byte(patch)), client.DryRunAll)
}

func named(namespace string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
}

// optIn returns a Guardrail with the given namespace selector.
func optIn(name string, mode v1alpha1.Mode, selector *metav1.LabelSelector, policies ...string) *v1alpha1.Guardrail {
	g := &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: unique(name)}}
	g.Spec = v1alpha1.GuardrailSpec{Mode: mode, NamespaceSelector: selector}
	for _, policy := range policies {
		g.Spec.Policies = append(g.Spec.Policies, v1alpha1.PolicyBinding{Name: policy})
	}
	return g
}

func labeled(key, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

// Labels can also be written through a Namespace's subresources, which the same check covers.
func TestLooseningByWayOfSubresources(t *testing.T) {
	t.Parallel()
	const label = "test.taffrail.dev/relax-subresources"
	g := optIn("relax-subresources", v1alpha1.ModeEnforce, labeled(label, "held"), "image-tag")
	putGuardrail(t, g)
	namespace := newNamespace(t, "relax-subresources", label+"=held")
	everywhere := rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"namespaces", "namespaces/status", "namespaces/finalize"},
		Verbs: []string{"get", "update", "patch"},
	}
	carol := newUser(t, "carol-subresources", everywhere)
	bob := newUser(t, "bob-subresources", everywhere, relaxes(g.Name))
	ways := map[string]func(*harness.User) error{
		"status": func(user *harness.User) error {
			patch := client.RawPatch(types.MergePatchType, []byte(fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, label)))
			return user.Client.Status().Patch(t.Context(), named(namespace), patch, client.DryRunAll)
		},
		"finalize": func(user *harness.User) error {
			stored := named(namespace)
			must(t, user.Client.Get(t.Context(), client.ObjectKeyFromObject(stored), stored))
			delete(stored.Labels, label)
			return user.Client.SubResource("finalize").Update(t.Context(), stored, client.DryRunAll)
		},
	}
	for way, loosen := range ways {
		if err := loosen(carol); err == nil || !strings.Contains(err.Error(), carol.Name+" is not permitted to relax 1 Guardrail:") {
			t.Errorf("through %s: %v", way, err)
		}
		if err := loosen(bob); err != nil {
			t.Errorf("through %s, with the right: %v", way, err)
		}
	}
}

// Whoever may edit namespaces cannot remove one from a Guardrail without permission to relax it, in whichever
// way the label is removed.
func TestWhoMayLoosen(t *testing.T) {
	t.Parallel()
	const label = "test.taffrail.dev/relax"
	g := optIn("relax-held", v1alpha1.ModeEnforce, labeled(label, "held"), "image-tag", "require-probes")
	other := optIn("relax-other", v1alpha1.ModeEnforce, labeled(label, "other"), "image-tag")
	putGuardrail(t, g)
	putGuardrail(t, other)
	namespace := newNamespace(t, "relax", label+"=held")
	carol := newUser(t, "carol", editsNamespaces())
	bob := newUser(t, "bob", editsNamespaces(), relaxes(g.Name))
	dave := newUser(t, "dave", editsNamespaces(), relaxes(other.Name))

	words := deny(t, "the label goes", relabeled(t, carol, namespace, label, "null"))
	for _, want := range []string{
		"Namespace " + namespace + " would get fewer or weaker policies, and " + carol.Name + " is not permitted to relax 1 Guardrail:",
		"without " + label + "=held, Guardrail " + g.Name + " no longer enforces image-tag, require-probes",
		"kubectl create clusterrole relax-" + g.Name + " --verb=relax --resource=guardrails.taffrail.dev --resource-name=" + g.Name,
		"--user=" + carol.Name,
	} {
		if !strings.Contains(words, want) {
			t.Errorf("%q is not in:\n%s", want, words)
		}
	}
	deny(t, "the label changes", relabeled(t, carol, namespace, label, `"off"`))

	stored := named(namespace)
	must(t, carol.Client.Get(t.Context(), client.ObjectKeyFromObject(stored), stored))
	delete(stored.Labels, label)
	deny(t, "PUT", carol.Update(t.Context(), stored, client.DryRunAll))

	apply := applycorev1.Namespace(namespace).WithLabels(map[string]string{label: "off"})
	deny(t, "server-side apply", carol.ServerSideApply(t.Context(), apply, client.FieldOwner("carol"), client.ForceOwnership, client.DryRunAll))

	deny(t, "a right to another Guardrail", relabeled(t, dave, namespace, label, "null"))
	admit(t, "with the right", relabeled(t, bob, namespace, label, "null"))
	admit(t, "an administrator", relabeled(t, cluster.Admin, namespace, label, "null"))

	// These lose nothing.
	admit(t, "another label", relabeled(t, carol, namespace, "color", `"blue"`))
	admit(t, "held to more", relabeled(t, carol, newNamespace(t, "relax-more"), label, `"held"`))
	admit(t, "a new namespace", carol.Create(t.Context(), named(unique("relax-created")), client.DryRunAll))
	annotating := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"a":"b"}}}`))
	answer := admit(t, "an annotation", carol.Patch(t.Context(), named(namespace), annotating, client.DryRunAll))
	event, err := cluster.AuditedAnswer(t.Context(), answer)
	must(t, err)
	for key := range event.Annotations {
		if strings.HasPrefix(key, "relax.taffrail.dev/") {
			t.Errorf("it was asked about: %s", key)
		}
	}

	// The permission works for a real change.
	patch := client.RawPatch(types.MergePatchType, []byte(fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, label)))
	deny(t, "for real", carol.Patch(t.Context(), named(namespace), patch))
	admit(t, "for real, with the right", bob.Patch(t.Context(), named(namespace), patch))
	admit(t, "there is nothing left to lose", relabeled(t, carol, namespace, label, `"off"`))
}

// A Guardrail that selects namespaces without a label is loosened by adding the label.
func TestLooseningByALabelThatIsAdded(t *testing.T) {
	t.Parallel()
	selector := labeled("test.taffrail.dev/team", "a")
	selector.MatchExpressions = []metav1.LabelSelectorRequirement{
		{Key: "test.taffrail.dev/skip", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"yes"}},
		{Key: "test.taffrail.dev/sandbox", Operator: metav1.LabelSelectorOpDoesNotExist},
	}
	g := optIn("relax-added", v1alpha1.ModeEnforce, selector, "image-tag")
	putGuardrail(t, g)
	namespace := newNamespace(t, "relax-added", "test.taffrail.dev/team=a")
	erin := newUser(t, "erin", editsNamespaces())
	words := deny(t, "NotIn", relabeled(t, erin, namespace, "test.taffrail.dev/skip", `"yes"`))
	if !strings.Contains(words, "with test.taffrail.dev/skip=yes, Guardrail "+g.Name+" no longer enforces image-tag") {
		t.Errorf("denied for:\n%s", words)
	}
	deny(t, "DoesNotExist", relabeled(t, erin, namespace, "test.taffrail.dev/sandbox", `""`))
	admit(t, "a value that is not meant", relabeled(t, erin, namespace, "test.taffrail.dev/skip", `"no"`))
}

// A policy that another Guardrail enforces as strictly is not lost, and losing one that only warned or recorded
// blocks nobody.
func TestLooseningThatCostsNothing(t *testing.T) {
	t.Parallel()
	const label = "test.taffrail.dev/cost"
	putGuardrail(t, optIn("relax-a", v1alpha1.ModeEnforce, labeled(label, "a"), "image-tag"))
	putGuardrail(t, optIn("relax-b", v1alpha1.ModeEnforce, labeled(label, "b"), "image-tag", "require-probes"))
	warning := optIn("relax-warn", v1alpha1.ModeWarn, labeled(label, "warn"), "image-tag")
	putGuardrail(t, warning)
	recording := optIn("relax-audit", v1alpha1.ModeAudit, labeled(label, "audit"), "image-tag")
	putGuardrail(t, recording)
	frank := newUser(t, "frank", editsNamespaces())

	admit(t, "another makes up for it", relabeled(t, frank, newNamespace(t, "relax-a", label+"=a"), label, `"b"`))
	deny(t, "another does so in part", relabeled(t, frank, newNamespace(t, "relax-b", label+"=b"), label, `"a"`))

	answer := admit(t, "warn", relabeled(t, frank, newNamespace(t, "relax-warn", label+"=warn"), label, "null"))
	want := "relax: without " + label + "=warn, Guardrail " + warning.Name + " no longer warns about image-tag"
	if len(answer.Warnings) != 1 || answer.Warnings[0] != want {
		t.Errorf("warnings %q, want %q alone", answer.Warnings, want)
	}
	answer = admit(t, "audit", relabeled(t, frank, newNamespace(t, "relax-audit", label+"=audit"), label, "null"))
	event, err := cluster.AuditedAnswer(t.Context(), answer)
	must(t, err)
	if note := event.Annotations["relax.taffrail.dev/relax"]; !strings.HasPrefix(note, "audit, recorded, required by Guardrail "+recording.Name) || len(answer.Warnings) > 0 {
		t.Errorf("recorded is %q, warnings %q", note, answer.Warnings)
	}
}

// A terminating namespace cannot be removed from a Guardrail either, because its Pods still run.
func TestLooseningWhileTerminating(t *testing.T) {
	t.Parallel()
	const label = "test.taffrail.dev/ending"
	putGuardrail(t, optIn("relax-ending", v1alpha1.ModeEnforce, labeled(label, "yes"), "image-tag"))
	namespace := newNamespace(t, "relax-ending", label+"=yes")
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "stays", Finalizers: []string{"test.taffrail.dev/wait"}}}
	must(t, cluster.Admin.Client.Create(t.Context(), config))
	must(t, cluster.Admin.Client.Delete(t.Context(), named(namespace)))
	grace := newUser(t, "grace", editsNamespaces())
	deny(t, "the label of a namespace that ends", relabeled(t, grace, namespace, label, "null"))
	admit(t, "something else about it", relabeled(t, grace, namespace, "color", `"blue"`))
	config.Finalizers = nil
	must(t, cluster.Admin.Client.Update(t.Context(), config))
	eventually(t, "the namespace to be gone", func(ctx context.Context) error {
		if exists, err := cluster.Exists(ctx, named(namespace)); err != nil || exists {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
}
