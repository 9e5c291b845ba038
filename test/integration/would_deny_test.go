package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// The status of a Guardrail counts, over all replicas, what would be denied if it were enforced. Once it is
// enforced, exactly that is denied.
func TestWhatWouldBeDeniedIsCountedUntilItIs(t *testing.T) {
	t.Parallel()
	label := unique("would-deny")
	server := newServer(t, harness.ServerOptions{Name: label})
	register(t, harness.Registration{Name: label, Address: server.Address(), FailurePolicy: admissionregistrationv1.Fail})
	main := newNamespace(t, label+"-main", "test.taffrail.dev/own="+label)
	other := newNamespace(t, label, "test.taffrail.dev/own="+label, servedBy(label))
	early := podOf(main, "early", corev1.Container{Name: "main", Image: "nginx"})
	admit(t, "before there is a Guardrail", cluster.Alice.Create(t.Context(), early))

	// What inject-resources will fill in, require-resources will not report; and all Pods here are bare ones,
	// which this Guardrail never denies.
	g := binding(label, label, "image-tag", "min-replicas", "inject-resources", "require-resources", "no-bare-pod")
	g.Spec.Mode = v1alpha1.ModeWarn
	g.Spec.Policies[4].Mode = v1alpha1.ModeAudit
	g.Spec.TrustedWriters = v1alpha1.TrustedWriters{Users: []string{"admin"}}
	putGuardrail(t, g)
	e := nginxExemption(label, main, time.Now().Add(time.Hour))
	e.Spec.Kinds, e.Spec.Names, e.Spec.Containers = []string{"Pod"}, []string{"exempted"}, nil
	putExemption(t, e)
	eventually(t, "the other server to warn", func(ctx context.Context) error {
		answer := cluster.Alice.Create(ctx, podOf(other, "dry", corev1.Container{Name: "main", Image: "nginx"}), client.DryRunAll)
		if len(answer.Warnings) == 0 {
			return fmt.Errorf("it does not: %w", orNothing(answer.Err))
		}
		return nil
	})

	bad := func(namespace, name string) *corev1.Pod {
		return podOf(namespace, name, corev1.Container{Name: "main", Image: "nginx"}, corev1.Container{Name: "second", Image: "busybox"})
	}
	for _, pod := range []*corev1.Pod{bad(main, "a"), bad(main, "b"), bad(main, "c"), bad(other, "a"), bad(other, "b")} {
		answer := admit(t, pod.Name, cluster.Alice.Create(t.Context(), pod))
		if len(answer.Warnings) == 0 {
			t.Errorf("%s: no warning", pod.Name)
		}
	}
	admit(t, "one replica", cluster.Alice.Create(t.Context(), tagged(chapter(t, "01_nginx", main), 1)))
	// None of these would be denied.
	admit(t, "a good one", cluster.Alice.Create(t.Context(), podOf(main, "good", corev1.Container{Name: "main", Image: "nginx:1.27.3"})))
	admit(t, "a dry run", cluster.Alice.Create(t.Context(), bad(main, "dry"), client.DryRunAll))
	admit(t, "an exempted one", cluster.Alice.Create(t.Context(), bad(main, "exempted")))
	admit(t, "a trusted writer's", cluster.Admin.Create(t.Context(), bad(main, "trusted")))
	labeled := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"team":"a"}}}`))
	admit(t, "one that was there", cluster.Alice.Patch(t.Context(), early, labeled))

	var found *v1alpha1.WouldDeny
	eventually(t, "the status to count them", func(ctx context.Context) error {
		stored := &v1alpha1.Guardrail{}
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Name: g.Name}, stored); err != nil {
			return err
		}
		if found = stored.Status.WouldDeny; found == nil || found.Requests < 6 {
			return fmt.Errorf("it has %+v", found)
		}
		return nil
	})
	got := map[string]string{}
	for _, n := range found.Namespaces {
		got[n.Name] = fmt.Sprintf("%d %v", n.Requests, n.Policies)
	}
	want := map[string]string{main: "4 map[image-tag:3 min-replicas:1]", other: "2 map[image-tag:2]"}
	if diff := diff(want, got); diff != "" || found.Requests != 6 {
		t.Errorf("%d requests (-want +got):\n%s", found.Requests, diff)
	}
	for name, s := range map[string]*harness.Server{main: taffrail, other: server} {
		metrics, err := s.Metrics(t.Context())
		must(t, err)
		if want := fmt.Sprintf("taffrail_would_deny_requests_total{guardrail=%q,namespace=%q}", g.Name, name); !strings.Contains(metrics, want) {
			t.Errorf("no metric %s", want)
		}
	}

	g.Spec.Mode = v1alpha1.ModeEnforce
	putGuardrail(t, g)
	deny(t, "enforced", cluster.Alice.Create(t.Context(), bad(main, "d"), client.DryRunAll))
	admit(t, "a good one", cluster.Alice.Create(t.Context(), podOf(main, "good-too", corev1.Container{Name: "main", Image: "nginx:1.27.3"}), client.DryRunAll))
	deny(t, "another than the exempted one", cluster.Alice.Create(t.Context(), bad(main, "exempted-too"), client.DryRunAll))
}

// tagged returns the chapter's Deployment with a tag and the given number of replicas.
func tagged(object client.Object, replicas int64) client.Object {
	deployment, _ := object.(*unstructured.Unstructured)
	spec, _ := deployment.Object["spec"].(map[string]any)
	spec["replicas"] = replicas
	containers, _, _ := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	first, _ := containers[0].(map[string]any)
	first["image"] = "nginx:1.27.3"
	_ = unstructured.SetNestedSlice(deployment.Object, containers, "spec", "template", "spec", "containers")
	return deployment
}
