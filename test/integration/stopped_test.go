package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// endless has rules that do not end for an object, with what they exhaust.
var endless = map[string]struct{ rule, exhausted string }{
	"loops":    {`count([1 | some i in numbers.range(1, 20000); some j in numbers.range(1, 20000); i + j == -1]) == 7`, "1,000,000 steps"},
	"explodes": {`count([concat(text, [text, text, text, text]) | some i in numbers.range(1, 9999); text := sprintf("%5000d", [i])]) == 7`, "33,554,432 bytes"},
	"matches":  {exhausting["a catastrophic pattern"].rule, "1,000,000 steps"},
	"compares": {exhausting["a quadratic comparison"].rule, "1,000,000 steps"},
}

// Policies that do not end are stopped at the same point however busy the machine is: each of many requests gets the same
// answer, byte by byte, in which the other policies decide. Neither they nor their status differ from what is written here.
// The memory of the server does not grow with the number of requests.
func TestPoliciesThatDoNotEndAreStoppedAtTheSamePoint(t *testing.T) {
	t.Parallel()
	label := unique("endless")
	server := newServer(t, harness.ServerOptions{Name: label, MaxInFlightBytes: chartBytes})
	register(t, harness.Registration{Name: label, Address: server.Address(), FailurePolicy: admissionregistrationv1.Fail})
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label, servedBy(label))
	policies := map[string]*v1alpha1.Policy{}
	for name, c := range endless {
		policy := ownPolicy(name+"-"+label, "deny contains {\"msg\": \"m\", \"path\": \"data\"} if {\n\t"+strings.ReplaceAll(c.rule, "; k != l; v", "\n\tk != l\n\tv")+"\n}")
		policy.Spec.FailurePolicy = v1alpha1.PolicyFailureFail
		policies[name] = policy
	}
	sound := ownPolicy("sound-"+label, wants("team"))
	bound := []string{sound.Name, "configmap-credentials"}
	for _, policy := range append(slices.Collect(maps.Values(policies)), sound) {
		if condition := putPolicy(t, policy); condition.Status != metav1.ConditionTrue {
			t.Fatalf("%+v", condition)
		}
		if policy != sound {
			bound = append(bound, policy.Name)
		}
	}
	putGuardrail(t, binding(label, label, bound...))
	eventually(t, "the Guardrail", func(ctx context.Context) error {
		if words, denied := cluster.Alice.Create(ctx, configMap(namespace, nil), client.DryRunAll).Denied(); !denied || !strings.Contains(words, sound.Name) {
			return fmt.Errorf("got %q", words)
		}
		return nil
	})

	data := spread(2000, 1)
	delete(data, "team")
	data["text"], data["db.password"] = strings.Repeat("a", 50_000), "x7Kq29vLmZp4"
	large := func() *harness.Answer {
		return cluster.Alice.Create(t.Context(), called(configMap(namespace, data), "large"), client.DryRunAll)
	}
	want := deny(t, "the first", large())
	for name, c := range endless {
		if says := policies[name].Name + ": this policy cannot decide the object: it used more than " + c.exhausted + "\n"; !strings.Contains(want, says) {
			t.Errorf("want %q in\n%s", says, want)
		}
	}
	for _, says := range []string{sound.Name + ": the key team is missing", "configmap-credentials: "} {
		if !strings.Contains(want, says) {
			t.Errorf("want %q in\n%s", says, want)
		}
	}
	t.Log(want)

	// The second half finds the memory as the first one has left it.
	round := func(when string) float64 {
		for range 12 {
			var group sync.WaitGroup
			for range 2 {
				group.Go(func() {
					if words, _ := large().Denied(); words != want {
						t.Errorf("%s: denied for\n%s", when, words)
					}
				})
			}
			group.Wait()
		}
		return processMetric(t, server, "process_resident_memory_bytes") / (1 << 20)
	}
	before := processMetric(t, server, "process_resident_memory_bytes") / (1 << 20)
	first, second := round("first"), round("second")
	t.Logf("memory: %.0f MiB before, %.0f MiB after 24 requests, %.0f MiB after 48", before, first, second)
	if second > first+100 {
		t.Errorf("the memory grows: %.0f MiB, and then %.0f MiB", first, second)
	}

	deny(t, "a stored one", cluster.Alice.Create(t.Context(), called(configMap(namespace, data), "stored")))
	for name, c := range endless {
		resource := c.exhausted[strings.IndexByte(c.exhausted, ' ')+1:]
		most := map[string]string{"steps": "5,000,000", "bytes": "134,217,728"}[resource]
		says := fmt.Sprintf("policy %s: used more than %s; taffrail test shows what the cases of the Policy use, and spec.budget.%s can be up to %s",
			policies[name].Name, c.exhausted, resource, most)
		eventually(t, "the status of "+policies[name].Name, func(ctx context.Context) error {
			stored := &v1alpha1.Policy{}
			if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(policies[name]), stored); err != nil {
				return err
			}
			healthy := meta.FindStatusCondition(stored.Status.Conditions, v1alpha1.ConditionHealthy)
			if healthy == nil || healthy.Status != metav1.ConditionFalse || !strings.Contains(healthy.Message, says) {
				return fmt.Errorf("want %q, it is %+v", says, healthy)
			}
			t.Log(healthy.Message)
			return nil
		})
	}
}

// If several Policies with the largest budget do not end, the object is answered within the time of the
// request anyway: the last of them are stopped by time, and deny like the others.
func TestManyLargeBudgetsAreAnsweredInTime(t *testing.T) {
	t.Parallel()
	label := unique("budgets")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	var names []string
	for i := range 12 {
		name := fmt.Sprintf("own-%s-%d", label, i)
		policy := ownPolicy(name, "deny contains {\"msg\": \"m\", \"path\": \"data\"} if "+endless["loops"].rule)
		policy.Spec.FailurePolicy = v1alpha1.PolicyFailureFail
		policy.Spec.Budget = v1alpha1.PolicyBudget{Steps: v1alpha1.MaxBudgetSteps, Bytes: v1alpha1.MaxBudgetBytes}
		if condition := putPolicy(t, policy); condition.Status != metav1.ConditionTrue {
			t.Fatalf("%+v", condition)
		}
		names = append(names, name)
	}
	putGuardrail(t, binding(label, label, names...))
	eventually(t, "all of them to deny", func(ctx context.Context) error {
		words, denied := cluster.Alice.Create(ctx, configMap(namespace, nil), client.DryRunAll).Denied()
		if !denied {
			return fmt.Errorf("got %q", words)
		}
		stopped := strings.Count(words, "it used more than 5,000,000 steps\n")
		late := strings.Count(words, "it was stopped because the request ran out of time\n")
		if stopped == 0 || stopped+late != len(names) {
			return fmt.Errorf("%d are stopped by their budget and %d by time:\n%s", stopped, late, words)
		}
		t.Logf("%d are stopped by their budget and %d by time", stopped, late)
		return nil
	})
}
