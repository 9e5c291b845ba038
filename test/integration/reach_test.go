package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// editEntries changes the validating entries of the main registration as a user with kubectl would, despite
// concurrent writes.
func editEntries(ctx context.Context, edit func([]admissionregistrationv1.ValidatingWebhook) []admissionregistrationv1.ValidatingWebhook) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var c admissionregistrationv1.ValidatingWebhookConfiguration
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Name: "taffrail"}, &c); err != nil {
			return err
		}
		c.Webhooks = edit(c.Webhooks)
		return cluster.Admin.Client.Update(ctx, &c)
	})
}

// setEntry adds or replaces an entry for the duration of the test.
func setEntry(t *testing.T, w *admissionregistrationv1.ValidatingWebhook) {
	t.Helper()
	named := func(e admissionregistrationv1.ValidatingWebhook) bool { return e.Name == w.Name }
	t.Cleanup(func() {
		if err := editEntries(context.Background(), func(all []admissionregistrationv1.ValidatingWebhook) []admissionregistrationv1.ValidatingWebhook { //nolint:usetesting // it has ended
			return slices.DeleteFunc(all, named)
		}); err != nil {
			t.Error(err)
		}
	})
	must(t, editEntries(t.Context(), func(all []admissionregistrationv1.ValidatingWebhook) []admissionregistrationv1.ValidatingWebhook {
		return append(slices.DeleteFunc(all, named), *w)
	}))
}

// extraEntry returns the entry that the chart renders for extraKinds, with another name, for the tests' server
// and one namespace.
func extraEntry(t *testing.T, name, namespace, extraKinds string) *admissionregistrationv1.ValidatingWebhook {
	t.Helper()
	r := chartRelease(name)
	r.Values = "extraKinds: " + extraKinds
	for _, o := range renderChart(t, r) {
		if o.GetKind() != "ValidatingWebhookConfiguration" {
			continue
		}
		var c admissionregistrationv1.ValidatingWebhookConfiguration
		must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &c))
		at := slices.IndexFunc(c.Webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool { return w.Name == "extra.validate.taffrail.dev" })
		if at < 0 {
			t.Fatal("the chart renders no entry for extraKinds")
		}
		w := c.Webhooks[at]
		w.Name = name + ".taffrail.dev"
		w.ClientConfig = redirected(w.ClientConfig, "https://"+taffrail.Address())
		w.NamespaceSelector = only(namespace)
		return &w
	}
	t.Fatal("the chart renders no ValidatingWebhookConfiguration")
	return nil
}

// wantReached waits for the condition Reached of an object.
func wantReached(t *testing.T, o client.Object, status metav1.ConditionStatus, parts ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s to have Reached %s with %q", o, o.GetName(), status, parts), func(ctx context.Context) error {
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		var conditions []metav1.Condition
		switch o := o.(type) {
		case *v1alpha1.Guardrail:
			conditions = o.Status.Conditions
		case *v1alpha1.Policy:
			conditions = o.Status.Conditions
		}
		c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReached)
		if c == nil || c.Status != status || c.ObservedGeneration != o.GetGeneration() {
			return fmt.Errorf("%+v", c)
		}
		for _, part := range parts {
			if !strings.Contains(c.Message, part) {
				return fmt.Errorf("%s: %q is not in %s", c.Reason, part, c.Message)
			}
		}
		return nil
	})
}

// A Policy about a kind that no entry names reports that, and so does its Guardrail, until the chart's
// extraKinds name it; and again if the entry is changed.
func TestReachedNamesWhatNobodyAsksAbout(t *testing.T) {
	t.Parallel()
	label := unique("reached")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := "own-" + label
	policy, guardrail := ownedPolicy(name, "Ingress.networking.k8s.io"), binding(name, label, name)
	putPolicy(t, policy)
	putGuardrail(t, guardrail)
	ingress := func(team string) *unstructured.Unstructured {
		o := metadataCarriers(t, namespace)["ingresses"]
		o.SetAnnotations(map[string]string{"team": team})
		return o
	}
	const missing = "ingresses.networking.k8s.io (CREATE, UPDATE)"
	for _, o := range []client.Object{policy, guardrail} {
		wantReached(t, o, metav1.ConditionFalse, missing, "ingresses.networking.k8s.io/status (UPDATE)", "no webhook entry names it")
	}
	admit(t, "what nobody asks about", cluster.Admin.Create(t.Context(), ingress("other"), client.DryRunAll))

	const kinds = `[{group: networking.k8s.io, versions: [v1], resources: [ingresses]}]`
	entry := extraEntry(t, label, namespace, kinds)
	status := entry.DeepCopy()
	status.Name = label + "-status.taffrail.dev"
	status.Rules[0].Operations, status.Rules[0].Resources = []admissionregistrationv1.OperationType{admissionregistrationv1.Update}, []string{"ingresses/status"}
	setEntry(t, status)
	setEntry(t, entry)
	for _, o := range []client.Object{policy, guardrail} {
		wantReached(t, o, metav1.ConditionTrue, "failurePolicy Ignore", label+".taffrail.dev")
	}
	eventually(t, "the API server to ask about Ingresses", func(ctx context.Context) error {
		if _, denied := cluster.Admin.Create(ctx, ingress("other"), client.DryRunAll).Denied(); !denied {
			return errors.New("admitted")
		}
		return nil
	})
	admit(t, "an Ingress that is right", cluster.Admin.Create(t.Context(), ingress("shop")))
	goes := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"team":null}}}`))
	deny(t, "through its status", cluster.Admin.PatchStatus(t.Context(), ingress("shop"), goes))

	for what, test := range map[string]struct {
		edit   func(*admissionregistrationv1.ValidatingWebhook)
		wanted string
	}{
		"an operation is removed": {func(w *admissionregistrationv1.ValidatingWebhook) {
			w.Rules[0].Operations = []admissionregistrationv1.OperationType{admissionregistrationv1.Create}
		}, "ingresses.networking.k8s.io (UPDATE) not sent: no webhook entry names it"},
		"another namespace is selected": {func(w *admissionregistrationv1.ValidatingWebhook) { w.NamespaceSelector = only("default") }, missing + " not sent in " + namespace},
		"objects are selected": {func(w *admissionregistrationv1.ValidatingWebhook) {
			w.ObjectSelector = labeled("guard", "on")
		}, missing + " may not be sent in " + namespace},
		"a condition is added": {func(w *admissionregistrationv1.ValidatingWebhook) {
			w.MatchConditions = append(w.MatchConditions, admissionregistrationv1.MatchCondition{Name: "mine", Expression: `request.userInfo.username != "carol"`})
		}, "matchCondition mine is not known"},
		"it is called elsewhere": {func(w *admissionregistrationv1.ValidatingWebhook) {
			url := "https://127.0.0.1:1/validate"
			w.ClientConfig.URL = &url
		}, "it calls another URL"},
		"another path is called": {func(w *admissionregistrationv1.ValidatingWebhook) {
			url := "https://" + taffrail.Address() + "/config"
			w.ClientConfig.URL = &url
		}, "it calls /config instead of /validate"},
	} {
		changed := entry.DeepCopy()
		test.edit(changed)
		setEntry(t, changed)
		t.Log(what)
		wantReached(t, guardrail, metav1.ConditionFalse, test.wanted)
	}
	setEntry(t, entry)
	wantReached(t, guardrail, metav1.ConditionTrue)
	said, code := command(t, cluster.Admin, "selftest")
	if code != 0 {
		t.Errorf("without --reached: exit code %d:\n%s", code, said)
	}
}

// A kind that the cluster does not serve cannot be sent, which is no fault. Once its CRD exists, it is
// reported.
func TestReachedFollowsWhatIsServed(t *testing.T) {
	t.Parallel()
	label := unique("unserved")
	name := "own-" + label
	policy := ownedPolicy(name, "Widget."+label+".example.com")
	putPolicy(t, policy)
	guardrail := binding(name, label, name)
	putGuardrail(t, guardrail)
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	wantReached(t, guardrail, metav1.ConditionTrue, "This cluster does not serve Widget."+label+".example.com.")

	anything := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: "widgets." + label + ".example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: label + ".example.com", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true, Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &anything}},
			}},
		},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
	must(t, err)
	made := &unstructured.Unstructured{Object: content}
	must(t, cluster.Admin.Client.Create(t.Context(), made))
	t.Cleanup(func() { _ = cluster.Admin.Client.Delete(context.Background(), made) }) //nolint:usetesting // it has ended
	wantReached(t, guardrail, metav1.ConditionFalse, "widgets."+label+".example.com (CREATE, UPDATE) not sent: no webhook entry names it")
	setEntry(t, extraEntry(t, label, namespace, `[{group: `+label+`.example.com, versions: [v1], resources: [widgets]}]`))
	wantReached(t, guardrail, metav1.ConditionTrue)

	widget := func(team string) *unstructured.Unstructured {
		return object(t, namespace, `{apiVersion: `+label+`.example.com/v1, kind: Widget, metadata: {name: x, annotations: {team: `+team+`}, finalizers: [example.com/x]}, other: {size: 1}}`)
	}
	eventually(t, "the API server to ask about Widgets", func(ctx context.Context) error {
		if _, denied := cluster.Admin.Create(ctx, widget("other"), client.DryRunAll).Denied(); !denied {
			return errors.New("admitted")
		}
		return nil
	})
	admit(t, "a Widget", cluster.Admin.Create(t.Context(), widget("shop")))
	// The status of a custom resource carries neither.
	before := cluster.Admin.PatchStatus(t.Context(), widget("shop"), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"team":null}}}`)))
	admit(t, "its status", before)
	stored := widget("shop")
	must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKeyFromObject(stored), stored))
	if stored.GetAnnotations()["team"] != "shop" {
		t.Error("the status of a custom resource carries annotations")
	}
	// For an object that is being deleted, everything outside of metadata is content, and its deletion is not
	// blocked.
	must(t, cluster.Admin.Client.Delete(t.Context(), stored))
	content2 := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"team":"other"}},"other":{"size":2}}`))
	deny(t, "another content while it is being deleted", cluster.Admin.Patch(t.Context(), widget("shop"), content2))
	admit(t, "the end", cluster.Admin.Patch(t.Context(), widget("shop"), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))
}

// A label by which only the webhooks select a namespace can be removed only by someone who may relax the
// Guardrails in force there.
func TestNobodyLeavesTheWebhooksUnasked(t *testing.T) {
	t.Parallel()
	label := unique("webhook-selector")
	guard := "test.taffrail.dev/" + label
	entry := registeredEntries(t)[0]
	entry.Name, entry.NamespaceSelector = label+".taffrail.dev", labeled(guard, "enabled")
	setEntry(t, &entry)
	// Its own selector uses another label, which stays.
	g := binding("own-"+label, label, "image-tag")
	putGuardrail(t, g)
	namespace := newNamespace(t, label, guard+"=enabled", "test.taffrail.dev/own="+label)
	everywhere := rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"namespaces", "namespaces/status", "namespaces/finalize"},
		Verbs: []string{"get", "update", "patch"},
	}
	carol := newUser(t, "carol-"+label, everywhere)
	bob := newUser(t, "bob-"+label, everywhere, relaxes(g.Name))
	patch := client.RawPatch(types.MergePatchType, []byte(fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, guard)))
	eventually(t, "the server to know the entry", func(ctx context.Context) error {
		if _, denied := carol.Patch(ctx, named(namespace), patch, client.DryRunAll).Denied(); !denied {
			return errors.New("admitted")
		}
		return nil
	})
	words := deny(t, "the label goes", relabeled(t, carol, namespace, guard, "null"))
	for _, want := range []string{
		carol.Name + " is not permitted to relax 1 Guardrail:",
		"without " + guard + "=enabled, the API server no longer calls Taffrail for this namespace, and Guardrail " + g.Name + " no longer enforces image-tag",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("%q is not in:\n%s", want, words)
		}
	}
	deny(t, "the value changes", relabeled(t, carol, namespace, guard, `"off"`))
	// The main registration excludes namespaces with this label.
	deny(t, "a label that excludes comes", relabeled(t, carol, namespace, harness.ServerLabel, `"nobody"`))
	apply := applycorev1.Namespace(namespace).WithLabels(map[string]string{guard: "off"})
	deny(t, "server-side apply", carol.ServerSideApply(t.Context(), apply, client.FieldOwner("carol"), client.ForceOwnership, client.DryRunAll))
	stored := named(namespace)
	must(t, carol.Client.Get(t.Context(), client.ObjectKeyFromObject(stored), stored))
	delete(stored.Labels, guard)
	deny(t, "PUT", carol.Update(t.Context(), stored.DeepCopy(), client.DryRunAll))
	for way, loosen := range map[string]func(*harness.User) error{
		"status": func(user *harness.User) error {
			return user.Client.Status().Patch(t.Context(), named(namespace), patch, client.DryRunAll)
		},
		"finalize": func(user *harness.User) error {
			return user.Client.SubResource("finalize").Update(t.Context(), stored.DeepCopy(), client.DryRunAll)
		},
	} {
		if err := loosen(carol); err == nil || !strings.Contains(err.Error(), "not permitted to relax 1 Guardrail:") {
			t.Errorf("through %s: %v", way, err)
		}
		if err := loosen(bob); err != nil {
			t.Errorf("through %s, with the right: %v", way, err)
		}
	}
	admit(t, "with the right", relabeled(t, bob, namespace, guard, "null"))
	// These lose nothing.
	admit(t, "another label", relabeled(t, carol, namespace, "color", `"blue"`))
	unguarded := newNamespace(t, label+"-unguarded", guard+"=enabled")
	admit(t, "where no Guardrail holds", relabeled(t, carol, unguarded, guard, "null"))
}

// Usage of an Exemption is also counted for a kind that only a Policy names, once Taffrail may list it, as
// extraKinds permits.
func TestExemptionsOfOtherKindsAreCounted(t *testing.T) {
	t.Parallel()
	label := unique("excused-kind")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := "own-" + label
	putPolicy(t, ownedPolicy(name, "Ingress.networking.k8s.io"))
	putGuardrail(t, binding(name, label, name))
	ingress := metadataCarriers(t, namespace)["ingresses"]
	ingress.SetAnnotations(nil)
	admit(t, "what nobody asks about", cluster.Admin.Create(t.Context(), ingress))
	may := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingresses"}, Verbs: []string{"list"}}},
	}
	must(t, cluster.Admin.Client.Create(t.Context(), may))
	must(t, cluster.Admin.Client.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "taffrail"}},
	}))
	e := nginxExemption(label, namespace, time.Now().Add(time.Hour))
	e.Spec.Policies, e.Spec.Kinds, e.Spec.Names, e.Spec.Containers = []string{name}, nil, nil, nil
	putExemption(t, e)
	if got, want := wantCondition(t, e, v1alpha1.ConditionNeeded, metav1.ConditionTrue, v1alpha1.ReasonExcuses), "It exempts 1 finding in 1 object."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
