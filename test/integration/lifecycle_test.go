package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// A Guardrail is in force as soon as it exists, and until it is deleted, without a restart.
func TestGuardrailComesAndGoes(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "lifecycle", "test.taffrail.dev/late=lifecycle")
	dryRun := func(ctx context.Context) *harness.Answer {
		return cluster.Alice.Create(ctx, chapter(t, "02_nginx_k8s", namespace), client.DryRunAll)
	}
	admit(t, "before", dryRun(t.Context()))

	g := lateGuardrail(t, "lifecycle")
	putGuardrail(t, g)
	// The status refers to the replica that writes it, which is the one that is called here.
	if words := deny(t, "with it", dryRun(t.Context())); !strings.Contains(words, "required by Guardrail "+g.Name) {
		t.Errorf("denied for:\n%s", words)
	}
	g.Spec.Mode = v1alpha1.ModeWarn
	putGuardrail(t, g)
	if answer := admit(t, "under warn", dryRun(t.Context())); len(answer.Warnings) == 0 {
		t.Error("no warning")
	}
	must(t, cluster.DeleteGuardrail(t.Context(), g.Name))
	eventually(t, "the warnings to end", func(ctx context.Context) error {
		answer := dryRun(ctx)
		if answer.Err != nil || len(answer.Warnings) > 0 {
			return fmt.Errorf("%w, warnings %q", orNothing(answer.Err), answer.Warnings)
		}
		return nil
	})
}

func orNothing(err error) error {
	if err == nil {
		return fmt.Errorf("admitted")
	}
	return err
}

// Faults of a Guardrail are in its status, and its valid parts stay in force.
func TestGuardrailThatIsWrong(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "wrong", "test.taffrail.dev/late=wrong")
	pod := func() client.Object { return chapter(t, "02_nginx_k8s", namespace) }
	service := func() client.Object { return chapter(t, "23_service", namespace) }
	binding := func(name, parameters string) v1alpha1.PolicyBinding {
		b := v1alpha1.PolicyBinding{Name: name}
		if parameters != "" {
			b.Parameters = &apiextensionsv1.JSON{Raw: []byte(parameters)}
		}
		return b
	}
	g := lateGuardrail(t, "wrong")
	g.Annotations = harness.Unguarded()
	t.Cleanup(func() {
		if err := cluster.DeleteGuardrail(context.Background(), g.Name); err != nil { //nolint:usetesting // it has ended
			t.Error(err)
		}
	})
	for _, test := range []struct {
		name     string
		policies []v1alpha1.PolicyBinding
		status   metav1.ConditionStatus
		reason   string
		messages []string
		pod      bool // whether it is denied
	}{
		{
			"an unknown policy", []v1alpha1.PolicyBinding{binding("image-tags", "")},
			metav1.ConditionFalse, "Invalid", []string{"No part of this Guardrail is in force", "spec.policies[0].name", "image-tags", "image-tag"}, false,
		},
		{
			"an unknown policy next to a good one", []v1alpha1.PolicyBinding{binding("no-such-policy", ""), binding("image-tag", "")},
			metav1.ConditionTrue, "PartlyInvalid", []string{"Parts of this Guardrail are not in force", "spec.policies[0].name", "no-such-policy"}, true,
		},
		{
			"a bad parameter", []v1alpha1.PolicyBinding{binding("image-tag", ""), binding("restricted-service-type", `{"types": "LoadBalancer"}`)},
			metav1.ConditionTrue, "PartlyInvalid", []string{"spec.policies[1].parameters.types"}, true,
		},
		{
			"an unknown parameter", []v1alpha1.PolicyBinding{binding("restricted-service-type", `{"kinds": []}`)},
			metav1.ConditionFalse, "Invalid", []string{"spec.policies[0].parameters", "kinds"}, false,
		},
		{
			"put right", []v1alpha1.PolicyBinding{binding("image-tag", ""), binding("restricted-service-type", `{"types": ["NodePort"]}`)},
			metav1.ConditionTrue, "Compiled", []string{"Every binding is in force."}, true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			g.Spec.Policies = test.policies
			condition, err := cluster.PutGuardrail(t.Context(), g)
			must(t, err)
			if condition.Status != test.status || condition.Reason != test.reason {
				t.Errorf("the condition is %+v", condition)
			}
			for _, message := range test.messages {
				if !strings.Contains(condition.Message, message) {
					t.Errorf("%q says nothing of %s", condition.Message, message)
				}
			}
			if _, denied := cluster.Alice.Create(t.Context(), pod(), client.DryRunAll).Denied(); denied != test.pod {
				t.Errorf("a Pod without tag: denied is %v", denied)
			}
			// None of these parameters is valid and names LoadBalancer.
			admit(t, "a Service", cluster.Alice.Create(t.Context(), service(), client.DryRunAll))
		})
	}
}

// The CRD's schema rejects what it can express.
func TestGuardrailThatIsRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*v1alpha1.GuardrailSpec){
		"spec.mode":     func(s *v1alpha1.GuardrailSpec) { s.Mode = "deny" },
		"spec.policies": func(s *v1alpha1.GuardrailSpec) { s.Policies = nil },
		"spec.existing": func(s *v1alpha1.GuardrailSpec) { s.Existing = "keep" },
	} {
		g := lateGuardrail(t, "refused")
		change(&g.Spec)
		if err := cluster.Admin.Client.Create(t.Context(), g); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Under --max-mode=audit everything is recorded, and nothing is denied, patched or warned about.
func TestCeiling(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "ceiling", MaxMode: "audit"})
	registration := unique("ceiling")
	register(t, harness.Registration{Name: registration, Address: server.Address(), FailurePolicy: admissionregistrationv1.Fail})
	namespace := newNamespace(t, registration, enforced, restricted, servedBy(registration))
	eventually(t, "the API server to call the webhooks", func(ctx context.Context) error {
		answer := admit(t, "a dry run", cluster.Alice.Create(ctx, chapter(t, "02_nginx_k8s", namespace), client.DryRunAll))
		event, err := cluster.AuditedAnswer(ctx, answer)
		if err != nil {
			return err
		}
		if notes := ours(event); notes["mutate.taffrail.dev/inject-resources"] == "" || notes["validate.taffrail.dev/image-tag"] == "" {
			return fmt.Errorf("recorded is %v", notes)
		}
		return nil
	})
	manifests, err := harness.Chapter(cluster.Root)
	must(t, err)
	for _, manifest := range manifests {
		object, err := manifest.Object()
		must(t, err)
		if object.GetKind() == "Namespace" {
			continue
		}
		object.SetNamespace(namespace)
		answer := admit(t, manifest.File, cluster.Alice.Apply(t.Context(), object))
		if len(answer.Warnings) > 0 {
			t.Errorf("%s: warnings %q", manifest.File, answer.Warnings)
		}
		for key, note := range annotations(t, answer) {
			if !strings.HasPrefix(note, "audit, ") {
				t.Errorf("%s: %s=%s", manifest.File, key, note)
			}
		}
		if object.GetKind() == "Pod" {
			containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "containers")
			if container, ok := containers[0].(map[string]any); !ok || fmt.Sprint(container["resources"]) != "map[]" {
				t.Errorf("the container is %v", containers[0])
			}
		}
	}
}
