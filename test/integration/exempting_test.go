package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

func writesExemptions() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"taffrail.dev"}, Resources: []string{"exemptions"}, Verbs: []string{"get", "create", "update", "patch"}}
}

func exempts(guardrail string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"taffrail.dev"}, Resources: []string{"guardrails"}, ResourceNames: []string{guardrail}, Verbs: []string{"exempt"}}
}

// exemptionOf returns an Exemption from image-tag, narrowed in every way.
func exemptionOf(name string, namespaces ...string) *v1alpha1.Exemption {
	e := nginxExemption(name, "", time.Now().Add(time.Hour))
	e.Spec.Policies, e.Spec.Namespaces = []string{"image-tag"}, namespaces
	return e
}

// merged patches an Exemption's spec as a user, as a dry run.
func merged(t *testing.T, user *harness.User, e *v1alpha1.Exemption, spec map[string]any) *harness.Answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"spec": spec})
	must(t, err)
	return user.Patch(t.Context(), e.DeepCopy(), client.RawPatch("application/merge-patch+json", body), client.DryRunAll)
}

// Without permission to exempt from a Guardrail, a user who may write Exemptions loosens nothing, whether by
// creating or by extending one.
func TestWhoMayExempt(t *testing.T) {
	t.Parallel()
	const label = "test.taffrail.dev/exempt"
	g := optIn("exempt-held", v1alpha1.ModeEnforce, labeled(label, "held"), "image-tag", "require-probes")
	other := optIn("exempt-other", v1alpha1.ModeEnforce, labeled(label, "other"), "image-tag")
	audit := optIn("exempt-audit", v1alpha1.ModeAudit, labeled(label, "audit"), "image-tag")
	for _, one := range []*v1alpha1.Guardrail{g, other, audit} {
		putGuardrail(t, one)
	}
	namespace, second := newNamespace(t, "exempt", label+"=held"), newNamespace(t, "exempt-second", label+"=held")
	recorded, free := newNamespace(t, "exempt-recorded", label+"=audit"), newNamespace(t, "exempt-free")
	carol := newUser(t, "carol-exempts", writesExemptions())
	bob := newUser(t, "bob-exempts", writesExemptions(), exempts(g.Name))
	dave := newUser(t, "dave-exempts", writesExemptions(), exempts(other.Name))
	argo := newUser(t, "system:serviceaccount:argocd:argocd-application-controller", writesExemptions())
	create := func(user *harness.User, e *v1alpha1.Exemption) *harness.Answer {
		return user.Create(t.Context(), e, client.DryRunAll)
	}

	words := deny(t, "without the right", create(carol, exemptionOf("exempt-a", namespace)))
	for _, want := range []string{
		carol.Name + " is not permitted to exempt objects from these policies", "in namespace " + namespace + ", Guardrail " + g.Name + " would no longer apply image-tag",
		"kubectl create clusterrole exempt-" + g.Name + " --verb=exempt --resource=guardrails.taffrail.dev --resource-name=" + g.Name,
		"kubectl create rolebinding exempt-" + g.Name + " --namespace=" + namespace + " --clusterrole=exempt-" + g.Name + " --user=" + carol.Name,
	} {
		if !strings.Contains(words, want) {
			t.Errorf("%q is not in:\n%s", want, words)
		}
	}
	if words := deny(t, "GitOps", create(argo, exemptionOf("exempt-a", namespace))); !strings.Contains(words, "--serviceaccount=argocd:argocd-application-controller") {
		t.Errorf("denied for:\n%s", words)
	}
	deny(t, "a right to another Guardrail", create(dave, exemptionOf("exempt-a", namespace)))
	deny(t, "a Guardrail that only records", create(carol, exemptionOf("exempt-a", recorded)))
	deny(t, "one of two namespaces", create(bob, exemptionOf("exempt-a", namespace, recorded)))
	deny(t, "a namespace to come", create(bob, exemptionOf("exempt-a", "exempt-to-come")))
	deny(t, "every namespace", create(bob, exemptionOf("exempt-a", "*")))
	deny(t, "ahead of the Guardrail", create(bob, exemptionOf("exempt-a", free)))
	applied := &unstructured.Unstructured{}
	must(t, cluster.Admin.Client.Scheme().Convert(exemptionOf("exempt-applied", namespace), applied, nil))
	applied.SetAPIVersion(v1alpha1.GroupVersion().String())
	applied.SetKind("Exemption")
	unstructured.RemoveNestedField(applied.Object, "status")
	apply := client.ApplyConfigurationFromUnstructured(applied)
	deny(t, "server-side apply", carol.ServerSideApply(t.Context(), apply, client.FieldOwner("carol"), client.DryRunAll))

	admit(t, "with the right", create(bob, exemptionOf("exempt-a", namespace, second)))
	admit(t, "an administrator", create(cluster.Admin, exemptionOf("exempt-a", "*")))
	nothing := exemptionOf("exempt-a", namespace)
	nothing.Spec.Kinds = []string{"Service"}
	admit(t, "a kind that the policy is not about", create(carol, nothing))

	// Permission in one namespace is granted by a RoleBinding there.
	erin := newUser(t, "erin-exempts", writesExemptions())
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: unique("exempt-" + g.Name)}, Rules: []rbacv1.PolicyRule{exempts(g.Name)}}
	must(t, cluster.Admin.Client.Create(t.Context(), role))
	must(t, cluster.Admin.Client.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "exempt"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: erin.Name}},
	}))
	eventually(t, "the right in a namespace", func(context.Context) error { return create(erin, exemptionOf("exempt-a", namespace)).Err })
	deny(t, "in another namespace", create(erin, exemptionOf("exempt-a", second)))
	deny(t, "in both", create(erin, exemptionOf("exempt-a", namespace, second)))
}

// Narrowing needs no permission: whoever may edit an Exemption can narrow it, but not widen, extend or
// reinstate it.
func TestNarrowingAnExemptionNeedsNoRight(t *testing.T) {
	t.Parallel()
	const label = "test.taffrail.dev/narrow"
	g := optIn("narrow-held", v1alpha1.ModeEnforce, labeled(label, "held"), "image-tag", "require-probes")
	putGuardrail(t, g)
	namespace, second := newNamespace(t, "narrow", label+"=held"), newNamespace(t, "narrow-second", label+"=held")
	carol := newUser(t, "carol-narrows", writesExemptions())
	bob := newUser(t, "bob-narrows", writesExemptions(), exempts(g.Name))
	e := exemptionOf("narrow", namespace, second)
	putExemption(t, e)
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for what, spec := range map[string]map[string]any{
		"the reason": {"reason": "another", "owner": "team-b"}, "fewer namespaces": {"namespaces": []string{second}},
		"a narrower name": {"names": []string{"nginx-a*"}}, "a shorter time": {"expires": at(time.Minute)},
		"a kind by its group": {"kinds": []string{"Deployment.apps"}}, "a container": {"containers": []string{"nginx"}},
	} {
		admit(t, what, merged(t, carol, e, spec))
	}
	metadata := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"},"annotations":{"c":"d"}}}`))
	admit(t, "metadata", carol.Patch(t.Context(), e.DeepCopy(), metadata, client.DryRunAll))
	for what, spec := range map[string]map[string]any{
		"longer": {"expires": at(2 * time.Hour)}, "another policy": {"policies": []string{"image-tag", "require-probes"}},
		"every namespace": {"namespaces": []string{"*"}}, "another namespace": {"namespaces": []string{namespace, "narrow-to-come"}},
		"any name": {"names": nil}, "another name": {"names": []string{"ngin*", "web"}}, "a wider name": {"names": []string{"n*"}},
		"any kind": {"kinds": nil}, "another kind": {"kinds": []string{"Deployment", "Pod"}},
		"any container": {"containers": nil}, "another container": {"containers": []string{"*"}},
		"narrower, and longer": {"names": []string{"nginx"}, "expires": at(2 * time.Hour)},
	} {
		deny(t, what, merged(t, carol, e, spec))
	}
	admit(t, "longer, with the right", merged(t, bob, e, map[string]any{"expires": at(2 * time.Hour)}))

	// It is in force until it is gone.
	ending := exemptionOf("narrow-ending", namespace)
	ending.Finalizers = []string{"test.taffrail.dev/wait"}
	must(t, cluster.Admin.Client.Create(t.Context(), ending))
	must(t, cluster.Admin.Client.Delete(t.Context(), ending))
	deny(t, "longer while it is deleted", merged(t, carol, ending, map[string]any{"expires": at(2 * time.Hour)}))
	must(t, cluster.Admin.Client.Patch(t.Context(), ending, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))))

	// An expired Exemption exempts nothing, so no change of it narrows anything.
	over := exemptionOf("narrow-over", namespace)
	over.Spec.Expires = at(-time.Hour)
	over.Annotations = harness.Unguarded()
	_, err := cluster.PutExemption(t.Context(), over)
	must(t, err)
	must(t, cluster.Admin.Client.Patch(t.Context(), over, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":null}}`))))
	deny(t, "brought back", merged(t, carol, over, map[string]any{"expires": at(time.Minute)}))
	must(t, cluster.Admin.Client.Delete(t.Context(), over))
}

// A Guardrail that limits Exemptions refuses those that exceed the limits, and does not honor existing ones
// beyond them.
func TestAGuardrailLimitsItsExemptions(t *testing.T) {
	t.Parallel()
	const label = "test.taffrail.dev/limits"
	g := optIn("limits-held", v1alpha1.ModeEnforce, labeled(label, "held"), "image-tag", "require-probes")
	g.Spec.Exemptions = &v1alpha1.ExemptionLimits{MaxDuration: "1h", Never: []string{"require-probes"}}
	putGuardrail(t, g)
	namespace := newNamespace(t, "limits", label+"=held")
	refused := func(what string, e *v1alpha1.Exemption, wants ...string) {
		t.Helper()
		err := cluster.Admin.Client.Create(t.Context(), e, client.DryRunAll)
		for _, want := range append(wants, "config.taffrail.dev", "Guardrail "+g.Name) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", what, err, want)
			}
		}
	}
	both := exemptionOf("limits-both", namespace)
	both.Spec.Policies, both.Spec.Containers = []string{"image-tag", "require-probes"}, nil
	refused("a policy that none may touch", both, "spec.policies[1]", "allows no Exemption from require-probes")
	both.Spec.Expires = time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339)
	refused("too long", both, "spec.expires", "honors it only until")
	everywhere := exemptionOf("limits-everywhere", "*")
	everywhere.Spec.Policies = []string{"require-probes"}
	refused("in every namespace", everywhere, "spec.policies[0]")
	short := exemptionOf("limits-short", namespace)
	short.Spec.Expires = time.Now().Add(30 * time.Minute).UTC().Format(time.RFC3339)
	admit(t, "within the limits", cluster.Admin.Create(t.Context(), short, client.DryRunAll))

	// It is stored as if Taffrail had been unavailable.
	both.Annotations = harness.Unguarded()
	t.Cleanup(func() { _ = cluster.Admin.Client.Delete(context.Background(), both) }) //nolint:usetesting // it has ended
	condition, err := cluster.PutExemption(t.Context(), both)
	must(t, err)
	if condition.Status != metav1.ConditionTrue || condition.Reason != "Limited" ||
		!strings.Contains(condition.Message, "Guardrail "+g.Name+" does not honor it for require-probes") ||
		!strings.Contains(condition.Message, "Guardrail "+g.Name+" honors it for image-tag until ") {
		t.Errorf("%+v", condition)
	}
	words := deny(t, "what none may touch", cluster.Alice.Create(t.Context(), chapter(t, "01_nginx", namespace), client.DryRunAll))
	if strings.Contains(words, "- image-tag") || !strings.Contains(words, "- require-probes") {
		t.Errorf("denied for:\n%s", words)
	}
	bothUpdated := map[string]any{"reason": "another"}
	unmark := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":null}}`))
	must(t, cluster.Admin.Client.Patch(t.Context(), both, unmark))
	answer := admit(t, "its reason", merged(t, cluster.Admin, both, bothUpdated))
	if warnings := strings.Join(answer.Warnings, "\n"); !strings.Contains(warnings, "not honored: ") {
		t.Errorf("warned: %q", answer.Warnings)
	}

	// A Guardrail that honors it does not compensate for one that does not.
	more := optIn("limits-more", v1alpha1.ModeEnforce, labeled(label, "held"), "require-probes")
	putGuardrail(t, more)
	deny(t, "what one of two honors", cluster.Alice.Create(t.Context(), chapter(t, "01_nginx", namespace), client.DryRunAll))

	// A limit that is added later also counts from the creation of the Exemption.
	g.Spec.Exemptions = &v1alpha1.ExemptionLimits{MaxDuration: "1s"}
	putGuardrail(t, g)
	eventually(t, "the limit to pass", func(ctx context.Context) error {
		words, denied := cluster.Alice.Create(ctx, chapter(t, "01_nginx", namespace), client.DryRunAll).Denied()
		if !denied || !strings.Contains(words, "- image-tag") {
			return fmt.Errorf("denied for: %s", words)
		}
		return nil
	})
	eventually(t, "the limit to be in the status", func(ctx context.Context) error {
		stored := &v1alpha1.Exemption{}
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(both), stored); err != nil {
			return err
		}
		for _, c := range stored.Status.Conditions {
			if c.Type == v1alpha1.ConditionActive && strings.Contains(c.Message, "Guardrail "+g.Name+" honors it for require-probes until ") {
				return nil
			}
		}
		return fmt.Errorf("it is %+v", stored.Status.Conditions)
	})

	wrong := g.DeepCopy()
	wrong.Name = "limits-wrong"
	wrong.Spec.Exemptions = &v1alpha1.ExemptionLimits{Never: []string{"min-replicas"}}
	if err := cluster.Admin.Client.Create(t.Context(), wrong, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "spec.exemptions.never[0]") {
		t.Errorf("a policy that is not bound: %v", err)
	}
	wrong.Spec.Exemptions = &v1alpha1.ExemptionLimits{MaxDuration: "for ever"}
	if err := cluster.Admin.Client.Create(t.Context(), wrong, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "spec.exemptions.maxDuration") {
		t.Errorf("no duration: %v", err)
	}
}
