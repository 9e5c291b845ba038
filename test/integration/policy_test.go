package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// ownPolicy returns a Policy about ConfigMaps with the given rules.
func ownPolicy(name, rules string) *v1alpha1.Policy {
	return &v1alpha1.Policy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.PolicySpec{FailurePolicy: v1alpha1.PolicyFailureIgnore, Rego: `# METADATA
# title: A policy of our own
# description: What a test wants.
# custom:
#   id: ` + name + `
#   severity: low
#   kinds: [ConfigMap]
#   remediation: Do what the test wants.
package taffrail.user.` + strings.ReplaceAll(name, "-", "_") + "\n\n" + rules + "\n"},
	}
}

// wants returns a rule that denies ConfigMaps without a key.
func wants(key string) string {
	return fmt.Sprintf(`deny contains {"msg": "the key %s is missing", "path": "data"} if {
	object.get(input.object, ["data", %[1]q], "") == ""
}`, key)
}

// putPolicy creates a Policy for the duration of the test, and returns its condition Active.
func putPolicy(t *testing.T, p *v1alpha1.Policy) *metav1.Condition {
	t.Helper()
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(cluster.Admin.Client.Delete(context.Background(), p.DeepCopy())); err != nil { //nolint:usetesting // it has ended
			t.Error(err)
		}
	})
	condition, err := cluster.PutPolicy(t.Context(), p)
	must(t, err)
	return condition
}

// binding returns a Guardrail that enforces policies in the namespaces with a label.
func binding(name, label string, policies ...string) *v1alpha1.Guardrail {
	g := &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: name}}
	g.Spec = v1alpha1.GuardrailSpec{
		Mode: v1alpha1.ModeEnforce, Existing: v1alpha1.ExistingTolerate,
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"test.taffrail.dev/own": label}},
	}
	for _, policy := range policies {
		g.Spec.Policies = append(g.Spec.Policies, v1alpha1.PolicyBinding{Name: policy})
	}
	return g
}

func configMap(namespace string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "own"}, Data: data}
}

// A Policy and the Guardrail that binds it are created by one apply, and take effect.
func TestPolicyOfOnesOwn(t *testing.T) {
	t.Parallel()
	label := unique("own")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := "own-" + label
	policy, guardrail := ownPolicy(name, wants("team")), binding(name, label, name)
	if condition := putPolicy(t, policy); condition.Status != metav1.ConditionTrue || condition.Reason != v1alpha1.ReasonCompiled {
		t.Fatalf("%+v", condition)
	}
	putGuardrail(t, guardrail)
	words := deny(t, "without the key", cluster.Alice.Create(t.Context(), configMap(namespace, nil), client.DryRunAll))
	want := "ConfigMap " + namespace + "/own is denied by 1 policy:\n- " + name + ": the key team is missing\n    field:  data\n" +
		"    fix:    Do what the test wants.\n    required by Guardrail " + name
	if words != want {
		t.Errorf("denied for:\n%s", words)
	}
	admit(t, "with the key", cluster.Alice.Create(t.Context(), configMap(namespace, map[string]string{"team": "a"}), client.DryRunAll))

	policy.Spec.Rego = ownPolicy(name, wants("owner")).Spec.Rego
	putPolicy(t, policy)
	deny(t, "without the other key", cluster.Alice.Create(t.Context(), configMap(namespace, map[string]string{"team": "a"}), client.DryRunAll))
}

// If a Policy is broken while no webhook checks it, the last spec that compiled stays in force, on every
// replica and after a restart.
func TestBrokenPolicyLeavesTheLastGoodSpecInForce(t *testing.T) {
	t.Parallel()
	label := unique("broken")
	name := "own-" + label
	servers := []*harness.Server{newServer(t, harness.ServerOptions{Name: label + "-a"}), newServer(t, harness.ServerOptions{Name: label + "-b"})}
	namespaces := make([]string, len(servers))
	for i, server := range servers {
		registration := fmt.Sprintf("%s-%d", label, i)
		register(t, harness.Registration{Name: registration, Address: server.Address(), FailurePolicy: admissionregistrationv1.Fail})
		namespaces[i] = newNamespace(t, registration, "test.taffrail.dev/own="+label, servedBy(registration))
	}
	own := newNamespace(t, label, "test.taffrail.dev/own="+label)
	all := append(slices.Clone(namespaces), own) // the last one belongs to the main server

	policy := ownPolicy(name, wants("team"))
	putPolicy(t, policy)
	putGuardrail(t, binding(name, label, name))
	verdicts := func(when string) {
		t.Helper()
		for _, namespace := range all {
			eventually(t, when+": a denial in "+namespace, func(ctx context.Context) error {
				answer := cluster.Alice.Create(ctx, configMap(namespace, map[string]string{"owner": "a"}), client.DryRunAll)
				if words, denied := answer.Denied(); !denied || !strings.Contains(words, "the key team is missing") {
					return fmt.Errorf("answered with %w, %q", orNothing(answer.Err), words)
				}
				return nil
			})
			admit(t, when, cluster.Alice.Create(t.Context(), configMap(namespace, map[string]string{"team": "a"}), client.DryRunAll))
		}
	}
	verdicts("good")

	broken := ownPolicy(name, strings.Replace(wants("owner"), "object.get", "object.fetch", 1))
	broken.Annotations = harness.Unguarded()
	condition := putPolicy(t, broken)
	if condition.Status != metav1.ConditionTrue || condition.Reason != v1alpha1.ReasonLastGood || !strings.Contains(condition.Message, "Policy/"+name+":12") {
		t.Errorf("%+v", condition)
	}
	verdicts("broken")
	for i, server := range servers {
		must(t, server.Stop())
		must(t, server.Start(t.Context()))
		// Without waiting: a server that is ready decides like the others.
		words := deny(t, "restarted", cluster.Alice.Create(t.Context(), configMap(namespaces[i], map[string]string{"owner": "a"}), client.DryRunAll))
		if !strings.Contains(words, "the key team is missing") {
			t.Errorf("denied for:\n%s", words)
		}
		verdicts("after a restart")
	}
}

// A Policy that fails at run time affects nothing else: it is named, and all others decide.
func TestPolicyThatFailsIsIsolated(t *testing.T) {
	t.Parallel()
	var doubled strings.Builder
	doubled.WriteString("t0 := \"text\"\n")
	for i := range 40 {
		fmt.Fprintf(&doubled, "t%d := concat(\"\", [t%d, t%[2]d])\n", i+1, i)
	}
	doubled.WriteString(`deny contains {"msg": "m", "path": "data"} if count(t40) == 7`)
	for kind, rules := range map[string]string{
		"errors":    `deny contains {"msg": "m", "path": "data"} if to_number(input.object.metadata.name) == 7`,
		"conflicts": "a := 1 if input.kind\n\na := 2 if input.name\n\ndeny contains {\"msg\": \"m\", \"path\": \"data\"} if a == 3",
		"loops":     `deny contains {"msg": "m", "path": "data"} if count([1 | some i in numbers.range(1, 20000); some j in numbers.range(1, 20000); i + j == -1]) == 7`,
		"explodes":  doubled.String(),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			label := unique("failing-" + kind)
			namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
			failing, sound := "own-"+label, "sound-"+label
			policy := ownPolicy(failing, rules)
			for _, p := range []*v1alpha1.Policy{policy, ownPolicy(sound, wants("team"))} {
				if condition := putPolicy(t, p); condition.Status != metav1.ConditionTrue {
					t.Fatalf("%+v", condition)
				}
			}
			putGuardrail(t, binding(label, label, failing, sound, "configmap-credentials"))

			// The others deny, and nothing bypasses them.
			words := deny(t, "another user's", cluster.Alice.Create(t.Context(), configMap(namespace, nil), client.DryRunAll))
			if !strings.HasPrefix(words, "ConfigMap "+namespace+"/own is denied by 1 policy:\n- "+sound+": ") {
				t.Errorf("denied for:\n%s", words)
			}
			leak := configMap(namespace, map[string]string{"team": "a", "db.password": "swordfish"})
			if words := deny(t, "the library's", cluster.Alice.Create(t.Context(), leak, client.DryRunAll)); !strings.Contains(words, "configmap-credentials") {
				t.Errorf("denied for:\n%s", words)
			}
			answer := admit(t, "nobody's", cluster.Alice.Create(t.Context(), configMap(namespace, map[string]string{"team": "a"})))
			if warnings := strings.Join(answer.Warnings, "\n"); !strings.HasPrefix(warnings, failing+": ") {
				t.Errorf("warned: %q", answer.Warnings)
			}
			eventually(t, "the Policy to be unhealthy", func(ctx context.Context) error {
				stored := &v1alpha1.Policy{}
				if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(policy), stored); err != nil {
					return err
				}
				if c := meta.FindStatusCondition(stored.Status.Conditions, v1alpha1.ConditionHealthy); c == nil || c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonFails {
					return fmt.Errorf("it is %+v", c)
				}
				return nil
			})
			metrics, err := taffrail.Metrics(t.Context())
			must(t, err)
			if !strings.Contains(metrics, fmt.Sprintf("taffrail_policy_results_total{mode=\"enforce\",outcome=\"unknown\",policy=%q}", failing)) {
				t.Error("no metric names it")
			}

			// The author may choose otherwise.
			policy.Spec.FailurePolicy = v1alpha1.PolicyFailureFail
			putPolicy(t, policy)
			another := configMap(namespace, map[string]string{"team": "a"})
			another.Name = "another"
			if words := deny(t, "Fail", cluster.Alice.Create(t.Context(), another)); !strings.Contains(words, failing+": this policy cannot decide the object") {
				t.Errorf("denied for:\n%s", words)
			}
		})
	}
}
