package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// nginxExemption exempts all denials of the chapter's first Deployment.
func nginxExemption(name, namespace string, expires time.Time) *v1alpha1.Exemption {
	return &v1alpha1.Exemption{
		ObjectMeta: metav1.ObjectMeta{Name: unique(name)},
		Spec: v1alpha1.ExemptionSpec{
			Policies: []string{"image-tag", "require-prestop", "require-probes"}, Namespaces: []string{namespace},
			Kinds: []string{"Deployment"}, Names: []string{"ngin*"}, Containers: []string{"nginx"},
			Reason: "it is rewritten in spring", Owner: "team-a", Expires: expires.UTC().Format(time.RFC3339),
		},
	}
}

// putExemption creates an Exemption for the duration of the test, which must be in force completely.
func putExemption(t *testing.T, e *v1alpha1.Exemption) {
	t.Helper()
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(cluster.Admin.Client.Delete(context.Background(), e.DeepCopy())); err != nil { //nolint:usetesting // it has ended
			t.Error(err)
		}
	})
	condition, err := cluster.PutExemption(t.Context(), e)
	must(t, err)
	if condition.Status != "True" || condition.Reason != v1alpha1.ReasonInForce {
		t.Fatalf("Exemption %s: %+v", e.Name, condition)
	}
}

// wantCondition waits for a condition of an Exemption and returns its message.
func wantCondition(t *testing.T, e *v1alpha1.Exemption, kind string, status metav1.ConditionStatus, reason string) string {
	t.Helper()
	var message string
	eventually(t, fmt.Sprintf("%s of Exemption %s to be %s", kind, e.Name, reason), func(ctx context.Context) error {
		stored := &v1alpha1.Exemption{}
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(e), stored); err != nil {
			return err
		}
		condition := meta.FindStatusCondition(stored.Status.Conditions, kind)
		if condition == nil || condition.Status != status || condition.Reason != reason {
			return fmt.Errorf("it is %+v", condition)
		}
		message = condition.Message
		return nil
	})
	return message
}

// An Exemption exempts exactly what it covers, and nothing after it expires, without a restart.
func TestExemptionExcusesUntilItExpires(t *testing.T) {
	t.Parallel()
	namespace, other := newNamespace(t, "exempted", enforced), newNamespace(t, "not-exempted", enforced)
	dryRun := func(namespace string) client.Object { return chapter(t, "01_nginx", namespace) }
	deny(t, "before", cluster.Alice.Create(t.Context(), dryRun(namespace), client.DryRunAll))

	e := nginxExemption("until", namespace, time.Now().Add(time.Hour))
	putExemption(t, e)
	answer := admit(t, "exempted", cluster.Alice.Create(t.Context(), dryRun(namespace), client.DryRunAll))
	for _, warning := range answer.Warnings {
		if strings.HasPrefix(warning, "image-tag") || strings.HasPrefix(warning, "require-pr") {
			t.Errorf("warned: %s", warning)
		}
	}
	if note := annotations(t, answer)["validate.taffrail.dev/image-tag"]; !strings.HasPrefix(note, "enforce, exempted (Exemption "+e.Name+"), required by Guardrail chapter: nginx: ") {
		t.Errorf("recorded is %q", note)
	}

	deny(t, "in another namespace", cluster.Alice.Create(t.Context(), dryRun(other), client.DryRunAll))
	renamed := dryRun(namespace)
	renamed.SetName("web")
	deny(t, "by another name", cluster.Alice.Create(t.Context(), renamed, client.DryRunAll))
	deny(t, "of another kind", cluster.Alice.Create(t.Context(), chapter(t, "02_nginx_k8s", namespace), client.DryRunAll))
	deployment := &appsv1.Deployment{}
	must(t, cluster.Alice.Client.Scheme().Convert(dryRun(namespace), deployment, nil))
	second := *deployment.Spec.Template.Spec.Containers[0].DeepCopy()
	second.Name, second.Ports = "second", nil
	deployment.Spec.Template.Spec.Containers = append(deployment.Spec.Template.Spec.Containers, second)
	words := deny(t, "of another container", cluster.Alice.Create(t.Context(), deployment, client.DryRunAll))
	if !strings.Contains(words, `container "second"`) || strings.Contains(words, `container "nginx"`) {
		t.Errorf("denied for:\n%s", words)
	}

	e.Spec.Expires = time.Now().Add(4 * time.Second).UTC().Format(time.RFC3339)
	putExemption(t, e)
	admit(t, "for some seconds more", cluster.Alice.Create(t.Context(), dryRun(namespace), client.DryRunAll))
	eventually(t, "the Exemption to expire", func(ctx context.Context) error {
		if _, denied := cluster.Alice.Create(ctx, dryRun(namespace), client.DryRunAll).Denied(); !denied {
			return fmt.Errorf("it is admitted")
		}
		return nil
	})
	wantCondition(t, e, v1alpha1.ConditionActive, metav1.ConditionFalse, v1alpha1.ReasonExpired)
	wantCondition(t, e, v1alpha1.ConditionExpiring, metav1.ConditionTrue, v1alpha1.ReasonExpired)
}

// The status of an Exemption counts what it still exempts, and reports when that is nothing.
func TestExemptionSaysWhatItExcuses(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "excusing", enforced)
	e := nginxExemption("excusing", namespace, time.Now().Add(13*24*time.Hour))
	putExemption(t, e)
	wantCondition(t, e, v1alpha1.ConditionNeeded, metav1.ConditionFalse, v1alpha1.ReasonExcusesNothing)
	wantCondition(t, e, v1alpha1.ConditionExpiring, metav1.ConditionTrue, v1alpha1.ReasonExpiresSoon)

	admit(t, "nginx", cluster.Alice.Create(t.Context(), chapter(t, "01_nginx", namespace)))
	if got, want := wantCondition(t, e, v1alpha1.ConditionNeeded, metav1.ConditionTrue, v1alpha1.ReasonExcuses), "It exempts 4 findings in 1 object."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	metrics, err := taffrail.Metrics(t.Context())
	must(t, err)
	for _, want := range []string{
		fmt.Sprintf("taffrail_exemption_state{exemption=%q,state=\"expiring\"} 1", e.Name),
		fmt.Sprintf("taffrail_exemption_expiry_timestamp_seconds{exemption=%q}", e.Name),
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no metric %s", want)
		}
	}

	deployment := &appsv1.Deployment{}
	must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "nginx"}, deployment))
	admit(t, "deleting it", cluster.Alice.Delete(t.Context(), deployment))
	wantCondition(t, e, v1alpha1.ConditionNeeded, metav1.ConditionFalse, v1alpha1.ReasonExcusesNothing)
}

// Faults of an Exemption are in its status, and never make it exempt more.
func TestExemptionThatIsWrong(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "wrong-exemption", enforced)
	for name, change := range map[string]func(*v1alpha1.ExemptionSpec){
		"spec.kinds[0]":    func(s *v1alpha1.ExemptionSpec) { s.Kinds = []string{"Deploymnet"} },
		"spec.policies[0]": func(s *v1alpha1.ExemptionSpec) { s.Policies = []string{"image-tags"} },
	} {
		e := nginxExemption("wrong", namespace, time.Now().Add(time.Hour))
		change(&e.Spec)
		e.Annotations = harness.Unguarded()
		t.Cleanup(func() {
			if err := client.IgnoreNotFound(cluster.Admin.Client.Delete(context.Background(), e)); err != nil { //nolint:usetesting // it has ended
				t.Error(err)
			}
		})
		condition, err := cluster.PutExemption(t.Context(), e)
		must(t, err)
		if condition.Status != metav1.ConditionFalse || !strings.Contains(condition.Message, name) {
			t.Errorf("%s: %+v", name, condition)
		}
		deny(t, name, cluster.Alice.Create(t.Context(), chapter(t, "01_nginx", namespace), client.DryRunAll))
	}
	for name, change := range map[string]func(*v1alpha1.ExemptionSpec){
		"spec.reason":     func(s *v1alpha1.ExemptionSpec) { s.Reason = "" },
		"spec.owner":      func(s *v1alpha1.ExemptionSpec) { s.Owner = "" },
		"spec.expires":    func(s *v1alpha1.ExemptionSpec) { s.Expires = "tomorrow" },
		"spec.namespaces": func(s *v1alpha1.ExemptionSpec) { s.Namespaces = nil },
		"spec.policies":   func(s *v1alpha1.ExemptionSpec) { s.Policies = nil },
	} {
		e := nginxExemption("refused", namespace, time.Now().Add(time.Hour))
		change(&e.Spec)
		if err := cluster.Admin.Client.Create(t.Context(), e); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
