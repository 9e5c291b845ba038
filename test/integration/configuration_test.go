package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
)

// Configuration that would not work is refused when it is applied, with the field and what to write instead.
func TestConfigurationIsCheckedWhenItIsApplied(t *testing.T) {
	t.Parallel()
	shadow := func(source string) *v1alpha1.Policy {
		p := ownPolicy("shadow", wants("team"))
		p.Spec.Rego = strings.Replace(p.Spec.Rego, "package taffrail.user.shadow", source, 1)
		return p
	}
	for name, test := range map[string]struct {
		object client.Object
		want   []string
	}{
		"an unknown policy": {binding("refused", "x", "image-tags"), []string{`spec.policies[0].name: Invalid value: "image-tags": there is no policy with this id, did you mean "image-tag"?`}},
		"a bad parameter": {func() client.Object {
			g := binding("refused", "x", "image-tag")
			g.Spec.Policies[0].Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"tags": "latest"}`)}
			return g
		}(), []string{"spec.policies[0].parameters.tags"}},
		"an Exemption that is over": {nginxExemption("over", "x", time.Now().Add(-time.Minute)), []string{"spec.expires", "has passed"}},
		"an Exemption of a mistyped kind": {func() client.Object {
			e := nginxExemption("mistyped", "x", time.Now().Add(time.Hour))
			e.Spec.Kinds = []string{"Deploymnet"}
			return e
		}(), []string{`spec.kinds[0]: Invalid value: "Deploymnet"`, `did you mean "Deployment"?`}},
		"Rego that does not parse":   {ownPolicy("unparsed", "deny contains {"), []string{"spec.rego", "Policy/unparsed:12"}},
		"Rego that does not compile": {ownPolicy("uncompiled", "deny contains {\"msg\": \"m\", \"path\": \"p\"} if nobody(input)"), []string{"Policy/uncompiled:11", "nobody"}},
		"Rego that reaches outside":  {ownPolicy("outside", "deny contains {\"msg\": \"m\", \"path\": \"p\"} if http.send({\"url\": \"http://localhost\"})"), []string{"Policy/outside:11", "http.send"}},
		"Rego without METADATA":      {&v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "bare"}, Spec: v1alpha1.PolicySpec{Rego: "package taffrail.user.bare\n\ndeny contains 1"}}, []string{"spec.rego", "METADATA"}},
		"an unknown fact": {func() client.Object {
			p := ownPolicy("fact", wants("team"))
			p.Spec.Rego = strings.Replace(p.Spec.Rego, "#   severity", "#   facts: [secrets]\n#   severity", 1)
			return p
		}(), []string{"custom.facts", "secrets"}},
		"a package of the library":  {shadow("package taffrail.images.image_tag"), []string{"taffrail.images.image_tag", "taffrail.user.shadow"}},
		"a helper of the library":   {shadow("package taffrail.lib.workload"), []string{"taffrail.lib.workload"}},
		"the package that collects": {shadow("package taffrail.entry.k0"), []string{"taffrail.entry.k0"}},
		"another user's package":    {shadow("package taffrail.user.other"), []string{"taffrail.user.other"}},
		"a policy of the library":   {ownPolicy("image-tag", wants("team")), []string{"image-tag"}},
		"a look at all of data":     {ownPolicy("peeps", "deny contains {\"msg\": \"m\", \"path\": \"p\"} if some x in data.taffrail.user"), []string{"Policy/peeps:11"}},
	} {
		err := cluster.Admin.Client.Create(t.Context(), test.object)
		if err == nil {
			t.Errorf("%s: it is taken", name)
			must(t, cluster.Admin.Client.Delete(t.Context(), test.object))
			continue
		}
		for _, want := range append(test.want, `admission webhook "config.taffrail.dev" denied the request`, " is invalid") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nsays nothing of %s", name, err, want)
			}
		}
	}
}

// Labels, annotations and finalizers of an invalid object can still be changed, and it can be deleted.
func TestConfigurationThatIsWrongCanBeHandled(t *testing.T) {
	t.Parallel()
	g := binding(unique("wrong-already"), "x", "image-tags", "image-tag")
	g.Annotations = map[string]string{"test.taffrail.dev/unguarded": ""}
	must(t, cluster.Admin.Client.Create(t.Context(), g))
	patch := func(body string) error {
		return cluster.Admin.Client.Patch(t.Context(), g, client.RawPatch("application/merge-patch+json", []byte(body)))
	}
	must(t, patch(`{"metadata":{"annotations":{"test.taffrail.dev/unguarded":null}}}`))
	must(t, patch(`{"metadata":{"labels":{"team":"a"},"finalizers":["test.taffrail.dev/wait"]}}`))
	// An existing fault never prevents loosening.
	must(t, patch(`{"spec":{"mode":"audit"}}`))
	must(t, cluster.Admin.Client.Delete(t.Context(), g))
	must(t, patch(`{"metadata":{"finalizers":null}}`))
}

// If Guardrails inject different values, their authors are warned when they apply one, and the status of both
// reports it.
func TestGuardrailsThatDisagreeAreToldSo(t *testing.T) {
	t.Parallel()
	label := unique("disagree")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	injecting := func(name, cpu string) *v1alpha1.Guardrail {
		g := binding(name, label, "inject-resources")
		g.Spec.Policies[0].Parameters = &apiextensionsv1.JSON{Raw: fmt.Appendf(nil, `{"requests": {"cpu": %q}}`, cpu)}
		return g
	}
	first, second := injecting(label+"-first", "100m"), injecting(label+"-second", "200m")
	putGuardrail(t, first)
	answer := cluster.Admin.Create(t.Context(), second.DeepCopy(), client.DryRunAll)
	admit(t, "the second", answer)
	if warnings := strings.Join(answer.Warnings, "\n"); !strings.Contains(warnings, first.Name) {
		t.Errorf("warned: %q", answer.Warnings)
	}
	putGuardrail(t, second)
	conflicting := func(name string, want metav1.ConditionStatus, says string) {
		t.Helper()
		eventually(t, fmt.Sprintf("Guardrail %s to be conflicting: %s", name, want), func(ctx context.Context) error {
			g := &v1alpha1.Guardrail{}
			if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Name: name}, g); err != nil {
				return err
			}
			c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.ConditionConflicting)
			if c == nil || c.Status != want || !strings.Contains(c.Message, says) {
				return fmt.Errorf("it is %+v", c)
			}
			return nil
		})
	}
	conflicting(first.Name, metav1.ConditionTrue, second.Name)
	conflicting(second.Name, metav1.ConditionTrue, first.Name)

	pod := podOf(namespace, "undecided", app("main", corev1.ResourceRequirements{}))
	answer = admit(t, "a Pod", cluster.Alice.Create(t.Context(), pod))
	// The API server derives it from the limit, on which they agree.
	if got := pod.Spec.Containers[0].Resources; got.Requests.Cpu().Cmp(*got.Limits.Cpu()) != 0 {
		t.Errorf("injected is %v", got)
	}
	if warnings := strings.Join(answer.Warnings, "\n"); !strings.Contains(warnings, "disagree") {
		t.Errorf("warned: %q", answer.Warnings)
	}
	second.Spec.Policies[0].Parameters = first.Spec.Policies[0].Parameters
	putGuardrail(t, second)
	conflicting(first.Name, metav1.ConditionFalse, "")
}
