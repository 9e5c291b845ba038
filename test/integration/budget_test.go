package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// spread returns a ConfigMap's data with the given number of keys and bytes per value.
func spread(keys, size int) map[string]string {
	data := map[string]string{"team": "a"}
	for i := range keys {
		data[fmt.Sprintf("k%05d", i)] = fmt.Sprintf("%05d", i) + strings.Repeat("a", size)
	}
	return data
}

// exhausting has rules that an ordinary author may write, each with an object that exhausts it.
var exhausting = map[string]struct {
	rule string
	data map[string]string
	// exhausted is what of the default budget is used up.
	exhausted string
}{
	"a quadratic comparison": {
		`some k, v in input.object.data; some l, w in input.object.data; k != l; v == w`, spread(2000, 1), "1,000,000 steps"},
	"a catastrophic pattern": {
		`regex.replace(input.object.data.text, "(a*b|a)", "") == "x"`, map[string]string{"team": "a", "text": strings.Repeat("a", 50_000)}, "1,000,000 steps"},
	"texts that grow": {
		`count({concat(v, [w, w, w]) | some v in input.object.data; some w in input.object.data}) == 7`, spread(150, 5000), "1,000,000 steps"},
	"a megabyte split in characters": {
		`some v in input.object.data; some c in split(v, "a"); c == "xyz"`, spread(10, 99_000), "1,000,000 steps"},
	"large sets compared": {
		`some k, _ in input.object.data; {v | some v in input.object.data} == {w | some _, w in input.object.data; w != k}; k == "x"`, spread(4000, 50), "1,000,000 steps"},
}

// exhaustion returns a Policy with one of these rules that also requires a key, bound where a webhook fails
// open: an error would admit everything.
func exhaustion(t *testing.T, sort string) (namespace string, policy *v1alpha1.Policy, guardrail *v1alpha1.Guardrail) {
	t.Helper()
	label := unique("exhausting-" + strings.ReplaceAll(sort, " ", "-"))
	register(t, harness.Registration{Name: label, Address: taffrail.Address(), FailurePolicy: admissionregistrationv1.Ignore})
	namespace = newNamespace(t, label, "test.taffrail.dev/own="+label, servedBy(label))
	policy = ownPolicy("own-"+label, wants("team")+"\n\ndeny contains {\"msg\": \"m\", \"path\": \"data\"} if {\n"+strings.ReplaceAll(exhausting[sort].rule, "; ", "\n")+"\n}")
	policy.Spec.FailurePolicy = ""
	if condition := putPolicy(t, policy); condition.Status != metav1.ConditionTrue {
		t.Fatalf("%+v", condition)
	}
	guardrail = binding(label, label, policy.Name)
	putGuardrail(t, guardrail)
	eventually(t, "the Policy to decide", func(ctx context.Context) error {
		if _, denied := cluster.Alice.Create(ctx, configMap(namespace, nil), client.DryRunAll).Denied(); !denied {
			return fmt.Errorf("it admits an object without the key")
		}
		return nil
	})
	return namespace, policy, guardrail
}

func called(c *corev1.ConfigMap, name string) *corev1.ConfigMap {
	c.Name = name
	return c
}

// Whoever may create objects can create one that exhausts a Policy, even as a dry run. That must neither
// disable the Policy for others nor admit the object.
func TestNobodySwitchesAPolicyOffByAnObjectThatExhaustsIt(t *testing.T) {
	t.Parallel()
	for sort, c := range exhausting {
		t.Run(sort, func(t *testing.T) {
			t.Parallel()
			namespace, policy, guardrail := exhaustion(t, sort)
			exhausts := func(what string, answer *harness.Answer) {
				t.Helper()
				words := deny(t, what, answer)
				if !strings.Contains(words, policy.Name+": this policy cannot decide the object: it used more than "+c.exhausted) ||
					!strings.Contains(words, "failurePolicy: Ignore") || !strings.Contains(words, "required by Guardrail "+guardrail.Name) {
					t.Errorf("%s: denied for\n%s", what, words)
				}
			}
			others := func(when string) {
				t.Helper()
				for _, options := range [][]client.CreateOption{{client.DryRunAll}, nil} {
					words := deny(t, when, cluster.Alice.Create(t.Context(), called(configMap(namespace, map[string]string{"owner": "a"}), "violating"), options...))
					if !strings.Contains(words, "the key team is missing") {
						t.Errorf("%s: denied for\n%s", when, words)
					}
				}
				admit(t, when, cluster.Alice.Create(t.Context(), called(configMap(namespace, map[string]string{"team": "a"}), "sound"), client.DryRunAll))
			}
			large := func() *corev1.ConfigMap { return called(configMap(namespace, c.data), "large") }

			exhausts("a dry run", cluster.Alice.Create(t.Context(), large(), client.DryRunAll))
			others("after a dry run")
			stored := &v1alpha1.Policy{}
			must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKeyFromObject(policy), stored))
			if stored.Status.LastFailure != nil {
				t.Errorf("a dry run left %+v", stored.Status.LastFailure)
			}

			exhausts("a create", cluster.Alice.Create(t.Context(), large()))
			others("after a create")
			exhausted := c.exhausted
			eventually(t, "the Policy to be unhealthy", func(ctx context.Context) error {
				if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(policy), stored); err != nil {
					return err
				}
				c := meta.FindStatusCondition(stored.Status.Conditions, v1alpha1.ConditionHealthy)
				if c == nil || c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "used more than "+exhausted) {
					return fmt.Errorf("it is %+v", c)
				}
				return nil
			})

			var group sync.WaitGroup
			for range 8 {
				group.Go(func() { cluster.Alice.Create(t.Context(), large(), client.DryRunAll) })
			}
			others("next to eight of them")
			group.Wait()
			others("after eight of them")

			small := called(configMap(namespace, map[string]string{"team": "a"}), "small")
			admit(t, "a small one", cluster.Alice.Create(t.Context(), small))
			small.Data = c.data
			exhausts("an update", cluster.Alice.Update(t.Context(), small))
			others("after an update")
		})
	}
}

// The author of a Policy reads in its status which budget an object has exhausted, sets another one, and the Policy
// decides the same object. The API server takes no budget beyond the limits.
func TestTheBudgetOfAPolicyIsItsAuthors(t *testing.T) {
	t.Parallel()
	const sort = "a quadratic comparison"
	namespace, policy, _ := exhaustion(t, sort)
	for _, budget := range []v1alpha1.PolicyBudget{{Steps: 999}, {Steps: 5_000_001}, {Bytes: 65_535}, {Bytes: 134_217_729}} {
		refused := policy.DeepCopy()
		refused.Spec.Budget = budget
		if err := cluster.Admin.Client.Patch(t.Context(), refused, client.MergeFrom(policy), client.DryRunAll); err == nil || !strings.Contains(err.Error(), "spec.budget.") {
			t.Errorf("%+v: got %v", budget, err)
		}
	}

	try := func(ctx context.Context) *harness.Answer {
		return cluster.Alice.Create(ctx, called(configMap(namespace, spread(100, 1)), unique("medium")))
	}
	policy.Spec.Budget = v1alpha1.PolicyBudget{Steps: 1_000}
	putPolicy(t, policy)
	eventually(t, "the budget to be exhausted", func(ctx context.Context) error {
		if words, denied := try(ctx).Denied(); !denied || !strings.Contains(words, "it used more than 1,000 steps") {
			return fmt.Errorf("got %q", words)
		}
		return nil
	})
	eventually(t, "the status to name the budget", func(ctx context.Context) error {
		stored := &v1alpha1.Policy{}
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(policy), stored); err != nil {
			return err
		}
		c := meta.FindStatusCondition(stored.Status.Conditions, v1alpha1.ConditionHealthy)
		if c == nil || c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "used more than 1,000 steps; taffrail test") ||
			!strings.Contains(c.Message, "spec.budget.steps can be up to 5,000,000") {
			return fmt.Errorf("it is %+v", c)
		}
		return nil
	})

	policy.Spec.Budget = v1alpha1.PolicyBudget{}
	putPolicy(t, policy)
	eventually(t, "the default to be enough", func(ctx context.Context) error {
		answer := try(ctx)
		if words, denied := answer.Denied(); denied || answer.Err != nil {
			return fmt.Errorf("got %q, %w", words, answer.Err)
		}
		return nil
	})
}

// If a Policy admits what it cannot decide, an exhausting object must not help other objects either.
func TestNobodySwitchesAPolicyOffThatFailsOpen(t *testing.T) {
	t.Parallel()
	for sort, c := range exhausting {
		t.Run(sort, func(t *testing.T) {
			t.Parallel()
			namespace, policy, _ := exhaustion(t, sort)
			policy.Spec.FailurePolicy = v1alpha1.PolicyFailureIgnore
			putPolicy(t, policy)
			for range 3 {
				admit(t, "the large one", cluster.Alice.Create(t.Context(), called(configMap(namespace, c.data), "large"), client.DryRunAll))
				violating := called(configMap(namespace, map[string]string{"owner": "a"}), "violating")
				if words := deny(t, "a small one that violates", cluster.Alice.Create(t.Context(), violating)); !strings.Contains(words, "the key team is missing") {
					t.Errorf("denied for\n%s", words)
				}
			}
		})
	}
}

// A Guardrail can define for each binding what happens to objects that a policy cannot decide, overriding the
// Policy.
func TestABindingDecidesWhatAPolicyCannotDecide(t *testing.T) {
	t.Parallel()
	const sort = "a quadratic comparison"
	namespace, policy, guardrail := exhaustion(t, sort)
	try := func(ctx context.Context) *harness.Answer {
		return cluster.Alice.Create(ctx, called(configMap(namespace, exhausting[sort].data), "large"), client.DryRunAll)
	}
	guardrail.Spec.Policies[0].FailurePolicy = v1alpha1.PolicyFailureIgnore
	putGuardrail(t, guardrail)
	answer := admit(t, "under Ignore", try(t.Context()))
	if warnings := strings.Join(answer.Warnings, "\n"); !strings.HasPrefix(warnings, policy.Name+": ") || !strings.Contains(warnings, "cannot decide") {
		t.Errorf("warned: %q", answer.Warnings)
	}
	deny(t, "another violates", cluster.Alice.Create(t.Context(), configMap(namespace, nil), client.DryRunAll))

	policy.Spec.FailurePolicy = v1alpha1.PolicyFailureIgnore
	putPolicy(t, policy)
	guardrail.Spec.Policies[0].FailurePolicy = v1alpha1.PolicyFailureFail
	putGuardrail(t, guardrail)
	deny(t, "under Fail", try(t.Context()))

	guardrail.Spec.Policies[0].FailurePolicy = ""
	putGuardrail(t, guardrail)
	admit(t, "as the Policy says", try(t.Context()))
}

// A mistake in a Policy blocks nobody who leaves the failing part of a stored object unchanged: the object can
// be labeled, edited elsewhere, finalized and deleted.
func TestWhatAPolicyCannotDecideStaysUsableWhenItIsStored(t *testing.T) {
	t.Parallel()
	const sort = "a quadratic comparison"
	namespace, _, guardrail := exhaustion(t, sort)
	must(t, cluster.DeleteGuardrail(t.Context(), guardrail.Name))
	large := called(configMap(namespace, exhausting[sort].data), "large")
	large.Finalizers = []string{"test.taffrail.dev/hold"}
	eventually(t, "the Guardrail to be gone", func(ctx context.Context) error {
		return cluster.Alice.Create(ctx, large).Err
	})
	putGuardrail(t, binding(guardrail.Name, guardrail.Name, guardrail.Spec.Policies[0].Name))
	eventually(t, "the Guardrail to be back", func(ctx context.Context) error {
		if _, denied := cluster.Alice.Create(ctx, configMap(namespace, nil), client.DryRunAll).Denied(); !denied {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	large.Labels = map[string]string{"a": "b"}
	admit(t, "a label", cluster.Alice.Update(t.Context(), large))
	large.Data["another"] = "key"
	answer := admit(t, "another key", cluster.Alice.Update(t.Context(), large))
	if warnings := strings.Join(answer.Warnings, "\n"); !strings.Contains(warnings, "tolerated") {
		t.Errorf("warned: %q", answer.Warnings)
	}
	must(t, cluster.Admin.Client.Delete(t.Context(), large))
	must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKeyFromObject(large), large))
	large.Finalizers = nil
	admit(t, "the finalizer", cluster.Alice.Update(t.Context(), large))
}

// Whoever edits Guardrails cannot make every request time out: excessive parameters are refused with the limit,
// and with the largest allowed ones a large Deployment is decided in time.
func TestParametersThatWouldMakeEveryRequestLateAreRefused(t *testing.T) {
	t.Parallel()
	label := unique("parameters")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	texts := func(n int, text string) []byte {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("%q", fmt.Sprintf("%sz%d", text, i))
		}
		return []byte("[" + strings.Join(list, ",") + "]")
	}
	with := func(policy, parameter string, list []byte) v1alpha1.PolicyBinding {
		return v1alpha1.PolicyBinding{Name: policy, Parameters: &apiextensionsv1.JSON{Raw: []byte(fmt.Sprintf("{%q:%s}", parameter, list))}}
	}
	for what, c := range map[string]struct {
		bindings []v1alpha1.PolicyBinding
		want     string
	}{
		"40,000 tags":        {[]v1alpha1.PolicyBinding{with("image-tag", "tags", texts(40_000, "t"))}, "spec.policies[0].parameters: Invalid value: has "},
		"1,000 patterns":     {[]v1alpha1.PolicyBinding{with("env-credentials", "allowedNames", texts(1000, "*a*"))}, "spec.policies[0].parameters.allowedNames: Invalid value: has 1000 items, but only 256 are allowed"},
		"a pattern too long": {[]v1alpha1.PolicyBinding{with("env-credentials", "allowedNames", texts(1, strings.Repeat("*a", 600)))}, "spec.policies[0].parameters.allowedNames[0]: Invalid value: has 1202 bytes"},
		"nine sets of a policy": {func() (all []v1alpha1.PolicyBinding) {
			for i := range 9 {
				all = append(all, with("image-tag", "tags", texts(1+i, "t")))
			}
			return all
		}(), "spec.policies[8].parameters: Invalid value: is the 9th set of parameters of this policy in the Guardrail, but only 8 are allowed"},
	} {
		g := binding(unique("too-much"), label)
		g.Spec.Policies = c.bindings
		err := cluster.Admin.Client.Create(t.Context(), g, client.DryRunAll)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.600v", what, err)
		}
	}

	g := binding(label, label)
	g.Spec.Policies = []v1alpha1.PolicyBinding{
		with("env-credentials", "allowedNames", texts(256, strings.Repeat("*a", 20))), with("image-tag", "tags", texts(256, strings.Repeat("t", 40))),
	}
	putGuardrail(t, g)
	pod := podOf(namespace, "large", app("main", corev1.ResourceRequirements{}))
	pod.Spec.Containers[0].Image = "registry.example/main:tttz1"
	for i := range 300 {
		pod.Spec.Containers[0].Env = append(pod.Spec.Containers[0].Env, corev1.EnvVar{Name: fmt.Sprintf("E%d_%s_PASSWORD", i, strings.Repeat("a", 40)), Value: "swordfish"})
	}
	eventually(t, "300 env entries to be decided", func(ctx context.Context) error {
		words, denied := cluster.Alice.Create(ctx, pod, client.DryRunAll).Denied()
		if !denied || !strings.Contains(words, "env-credentials") {
			return fmt.Errorf("got %q", words)
		}
		return nil
	})
}
