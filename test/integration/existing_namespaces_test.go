package integration

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
)

// A namespace that opts in later also keeps its Pods unchanged; one that was created with the label has none to
// keep. Removing the label and adding it again starts over.
func TestOptingInKeepsPodsAsTheyAre(t *testing.T) {
	t.Parallel()
	const label = "test.taffrail.dev/late"
	g := injecting("opting-in", "")
	putGuardrail(t, g)
	first := newNamespace(t, "opting-in-first", label+"=opting-in")
	awaitRecord(t, g.Name, first, 1)

	namespace := newNamespace(t, "opting-in", "other=label")
	admit(t, "a Deployment", cluster.Alice.Create(t.Context(), deploymentOf(namespace, "old")))
	before := podOfApp(t, namespace, "old")
	relabel(t, namespace, label, "opting-in")
	eventually(t, "bare Pods to be filled", func(ctx context.Context) error {
		bare := podOf(namespace, "bare", app("main", corev1.ResourceRequirements{}))
		if answer := cluster.Alice.Create(ctx, bare, client.DryRunAll); answer.Err != nil {
			return answer.Err
		}
		if len(bare.Spec.Containers[0].Resources.Limits) == 0 {
			return errors.New("they are not")
		}
		return nil
	})
	after := replaced(t, "old", before)
	if diff := diff(shared(t, before), shared(t, after)); diff != "" {
		t.Errorf("the successor differs (-before +after):\n%s", diff)
	}
	awaitRecord(t, g.Name, namespace, 1)
	if diff := diff(shared(t, before), shared(t, replaced(t, "old", after))); diff != "" {
		t.Errorf("once it is recorded, the successor differs (-before +after):\n%s", diff)
	}
	admit(t, "a new Deployment", cluster.Alice.Create(t.Context(), deploymentOf(namespace, "new")))
	wantResources(t, "new", podOfApp(t, namespace, "new").Spec.Containers[0].Resources, injected)

	// A namespace that was created with the label is filled from its first second.
	born := newNamespace(t, "opting-in-born", label+"=opting-in")
	if answer := admit(t, "the first Deployment", cluster.Alice.Create(t.Context(), deploymentOf(born, "first"))); len(answer.Warnings) > 0 {
		t.Errorf("warnings %q", answer.Warnings)
	}
	pod := podOfApp(t, born, "first")
	wantResources(t, "first", pod.Spec.Containers[0].Resources, injected)
	wantResources(t, "its successor", replaced(t, "first", pod).Spec.Containers[0].Resources, injected)
}

func relabel(t *testing.T, namespace, label, value string) {
	t.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"`+label+`":"`+value+`"}}}`))
	admit(t, "labeling "+namespace, cluster.Admin.Patch(t.Context(), object, patch))
}

// Injecting requests first and limits later is safe: workloads from the time of requests alone keep their Pods
// without limits.
func TestOtherParametersAreForNewTemplates(t *testing.T) {
	t.Parallel()
	g := injecting("parameters", `{"limits": {"cpu": "", "memory": ""}}`)
	g.Spec.Policies[2].Parameters = parametersOf(`{"required": ["requests.cpu", "requests.memory"]}`)
	putGuardrail(t, g)
	namespace := newNamespace(t, "parameters", "test.taffrail.dev/late=parameters")
	awaitRecord(t, g.Name, namespace, 1)
	admit(t, "a Deployment", cluster.Alice.Create(t.Context(), deploymentOf(namespace, "old")))
	before := podOfApp(t, namespace, "old")
	requests := corev1.ResourceRequirements{Requests: injected.Requests}
	wantResources(t, "requests alone", before.Spec.Containers[0].Resources, requests)

	g.Spec.Policies[1].Parameters = nil
	putGuardrail(t, g)
	eventually(t, "bare Pods to get limits", func(ctx context.Context) error {
		bare := podOf(namespace, "bare", app("main", corev1.ResourceRequirements{}))
		if answer := cluster.Alice.Create(ctx, bare, client.DryRunAll); answer.Err != nil {
			return answer.Err
		}
		if len(bare.Spec.Containers[0].Resources.Limits) == 0 {
			return errors.New("they do not")
		}
		return nil
	})
	after := replaced(t, "old", before)
	if diff := diff(shared(t, before), shared(t, after)); diff != "" {
		t.Errorf("the successor differs (-before +after):\n%s", diff)
	}
	if t.Failed() {
		return
	}
	awaitRecord(t, g.Name, namespace, 2)
	if diff := diff(shared(t, before), shared(t, replaced(t, "old", after))); diff != "" {
		t.Errorf("once it is recorded, the successor differs (-before +after):\n%s", diff)
	}
	admit(t, "a new Deployment", cluster.Alice.Create(t.Context(), deploymentOf(namespace, "new")))
	wantResources(t, "new", podOfApp(t, namespace, "new").Spec.Containers[0].Resources, injected)
}

// Pods of an operator are filled, unless the Guardrail trusts it.
func TestTrustedOperatorsKeepTheirPods(t *testing.T) {
	t.Parallel()
	g := injecting("operators", "")
	g.Spec.TrustedWriters = v1alpha1.TrustedWriters{Users: []string{"admin"}}
	namespace := newNamespace(t, "operators", "test.taffrail.dev/late=operators")
	enforceLate(t, g, namespace)
	made := func(name string) *corev1.Pod {
		pod := podOf(namespace, name, app("main", corev1.ResourceRequirements{}))
		controller := true
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "example.com/v1", Kind: "Database", Name: "db", UID: "8d5e957f-0000-0000-0000-000000000000", Controller: &controller}}
		return pod
	}
	trusted, other := made("trusted"), made("other")
	admit(t, "a trusted operator's Pod", cluster.Admin.Create(t.Context(), trusted))
	wantResources(t, "a trusted operator's Pod", trusted.Spec.Containers[0].Resources, corev1.ResourceRequirements{})
	admit(t, "another operator's Pod", cluster.Alice.Create(t.Context(), other))
	wantResources(t, "another operator's Pod", other.Spec.Containers[0].Resources, injected)
}

func parametersOf(text string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(text)} }
