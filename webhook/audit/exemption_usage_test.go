package audit_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// nothing is a cluster of which only the namespaces are known.
type nothing struct{}

func (nothing) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	return decision.Namespace{Name: name, Known: true}, nil
}

func (nothing) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return decision.Facts{}, nil
}

func exempting(t *testing.T, specs map[string]v1alpha1.ExemptionSpec) *config.Snapshot {
	t.Helper()
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	objects := config.Objects{Guardrails: config.Default(library)}
	for name, spec := range specs {
		spec.Reason, spec.Owner, spec.Expires = "it is old", "team-a", "2999-12-31"
		objects.Exemptions = append(objects.Exemptions, v1alpha1.Exemption{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec})
	}
	snapshot, problems, err := config.Build(t.Context(), library, objects)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return snapshot
}

func newDecider(snapshot *config.Snapshot) *pipeline.Decider {
	return pipeline.New(snapshot, nothing{}, pipeline.Options{})
}

func pod(namespace, name, image string, owner *metav1.OwnerReference) *corev1.Pod {
	p := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}, {Name: "other", Image: image}}},
	}
	if owner != nil {
		p.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	return p
}

func mirror(namespace, name, image string) *corev1.Pod {
	p := pod(namespace, name, image, owner("v1", "Node"))
	p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	return p
}

func owner(apiVersion, kind string) *metav1.OwnerReference {
	controller := true
	return &metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: "x", UID: "u", Controller: &controller}
}

func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion})
	m.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	m.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	m.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	return m
}

func TestCountExemptionUsage(t *testing.T) {
	objects := []client.Object{
		pod("legacy", "a", "nginx", nil), pod("legacy", "b", "nginx:1.27.3", nil),
		pod("legacy", "of-a-replicaset", "nginx", owner("apps/v1", "ReplicaSet")), pod("legacy", "of-an-operator", "nginx", owner("example.com/v1", "Thing")),
		mirror("legacy", "mirror", "nginx"), pod("other", "c", "nginx", nil),
	}
	server := &api{objects: map[string][]client.Object{"/pods": objects}, forbidden: "/secrets"}
	scanner := &audit.Scanner{Objects: server.start(t, audit.ObjectsOptions{Pages: true}), Facts: nothing{}}
	snapshot := exempting(t, map[string]v1alpha1.ExemptionSpec{
		"legacy":    {Policies: []string{"image-tag"}, Namespaces: []string{"legacy"}, Kinds: []string{"Pod"}},
		"container": {Policies: []string{"image-tag"}, Namespaces: []string{"legacy", "other"}, Kinds: []string{"Pod"}, Containers: []string{"main"}},
		"named":     {Policies: []string{"image-tag"}, Namespaces: []string{"legacy"}, Kinds: []string{"Pod"}, Names: []string{"b"}},
		"secrets":   {Policies: []string{"plaintext-secret"}, Namespaces: []string{"legacy"}},
		"unmapped":  {Policies: []string{"cronjob-schedule"}, Namespaces: []string{"legacy"}},
		"injection": {Policies: []string{"inject-resources"}, Namespaces: []string{"legacy"}, Kinds: []string{"Pod"}},
	})
	got, err := scanner.CountExemptionUsage(t.Context(), snapshot, snapshot.Exemptions(), mapper())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*audit.ExemptionUsage{
		"legacy":    {Findings: 4, Objects: 2},
		"container": {Findings: 3, Objects: 3},
		"named":     {},
		"secrets":   {NotCounted: []string{"Secret"}},
		"unmapped":  {NotCounted: []string{"CronJob.batch"}},
		"injection": {NotCounted: []string{"Pod"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	times := map[string]int{}
	for _, list := range server.asked() {
		if times[list]++; times[list] > 1 {
			t.Errorf("%s was listed twice", list)
		}
	}
}

// If a Policy covers Pods but not the kinds that create them, Pods are not counted as their template: an
// Exemption that only Pods need is not reported as unneeded.
func TestPodsAreCountedWhereNoTemplateStandsForThem(t *testing.T) {
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for rule, want := range map[string]int64{
		"input.object.spec.containers[0].image": 2, "input.workload.pod.spec.containers[0].image": 1,
	} {
		objects := config.Objects{
			Policies: []v1alpha1.Policy{{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: v1alpha1.PolicySpec{Rego: "# METADATA\n# title: t\n# description: d\n" +
				"# custom:\n#   id: own\n#   severity: low\n#   kinds: [Pod]\n#   remediation: r\npackage taffrail.user.own\n\n" +
				`deny contains {"msg": "m", "path": "spec"} if ` + rule + " == \"nginx\"\n"}}},
			Guardrails: []v1alpha1.Guardrail{{ObjectMeta: metav1.ObjectMeta{Name: "g"}, Spec: v1alpha1.GuardrailSpec{
				Mode: v1alpha1.ModeEnforce, Policies: []v1alpha1.PolicyBinding{{Name: "own"}},
			}}},
			Exemptions: []v1alpha1.Exemption{{ObjectMeta: metav1.ObjectMeta{Name: "e"}, Spec: v1alpha1.ExemptionSpec{
				Policies: []string{"own"}, Namespaces: []string{"legacy"}, Kinds: []string{"Pod"}, Reason: "r", Owner: "o", Expires: "2999-12-31",
			}}},
		}
		snapshot, problems, err := config.Build(t.Context(), library, objects)
		if err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
		server := &api{objects: map[string][]client.Object{"/pods": {
			pod("legacy", "bare", "nginx", nil), pod("legacy", "made", "nginx", owner("apps/v1", "ReplicaSet")),
		}}}
		scanner := &audit.Scanner{Objects: server.start(t, audit.ObjectsOptions{}), Facts: nothing{}}
		got, err := scanner.CountExemptionUsage(t.Context(), snapshot, snapshot.Exemptions(), mapper())
		if err != nil || got["e"].Objects != want {
			t.Errorf("%s: counted %+v, want %d; %v", rule, got["e"], want, err)
		}
	}
}
