package oracle

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sappsv1 "k8s.io/kubernetes/pkg/apis/apps/v1"
	k8sbatchv1 "k8s.io/kubernetes/pkg/apis/batch/v1"
	"sigs.k8s.io/randfill"

	"taffrail.dev/test/podgen"
	"taffrail.dev/webhook/request"
)

// ownDefaults has Kubernetes' defaulting functions for the template of each kind that has one.
var ownDefaults = map[string]func(*corev1.PodTemplateSpec){
	"Deployment": func(t *corev1.PodTemplateSpec) {
		object := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: *t}}
		k8sappsv1.SetObjectDefaults_Deployment(object)
		*t = object.Spec.Template
	},
	"ReplicaSet": func(t *corev1.PodTemplateSpec) {
		object := &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Template: *t}}
		k8sappsv1.SetObjectDefaults_ReplicaSet(object)
		*t = object.Spec.Template
	},
	"StatefulSet": func(t *corev1.PodTemplateSpec) {
		object := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Template: *t}}
		k8sappsv1.SetObjectDefaults_StatefulSet(object)
		*t = object.Spec.Template
	},
	"DaemonSet": func(t *corev1.PodTemplateSpec) {
		object := &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Template: *t}}
		k8sappsv1.SetObjectDefaults_DaemonSet(object)
		*t = object.Spec.Template
	},
	"Job": func(t *corev1.PodTemplateSpec) {
		object := &batchv1.Job{Spec: batchv1.JobSpec{Template: *t}}
		k8sbatchv1.SetObjectDefaults_Job(object)
		*t = object.Spec.Template
	},
	"CronJob": func(t *corev1.PodTemplateSpec) {
		object := &batchv1.CronJob{}
		object.Spec.JobTemplate.Spec.Template = *t
		k8sbatchv1.SetObjectDefaults_CronJob(object)
		*t = object.Spec.JobTemplate.Spec.Template
	},
}

// SetPodTemplateDefaults agrees with Kubernetes, both for templates that people could write and for ones that
// set any field of k8s.io/api.
func TestPodTemplateDefaults(t *testing.T) {
	chooseSeed()
	t.Logf("-oracle.seed=%d", *seed)
	for _, from := range []uint64{42, *seed} {
		random := rand.New(rand.NewPCG(from, 1))
		filler := randfill.NewWithSeed(int64(from)).NilChance(.4).NumElements(0, 2).MaxDepth(12).Funcs(
			func(q *resource.Quantity, c randfill.Continue) {
				*q = resource.MustParse([]string{"0", "1", "100m", "0.1", "100u", "1.5Gi", "1e3", "999999999n", "128Mi"}[c.Intn(9)])
			},
			func(at *metav1.Time, _ randfill.Continue) { *at = metav1.Time{} },
			func(f *metav1.FieldsV1, _ randfill.Continue) { *f = metav1.FieldsV1{} },
		)
		for i := range 3000 {
			template := corev1.PodTemplateSpec{}
			if i%3 == 0 {
				filler.Fill(&template)
				// Keep one source only, because the source determines the defaults.
				template.ManagedFields = nil
			} else {
				template = podgen.Template(random, podgen.Anywhere)
			}
			for kind, own := range ownDefaults {
				want, got := template.DeepCopy(), template.DeepCopy()
				own(want)
				request.SetPodTemplateDefaults(got)
				if !apiequality.Semantic.DeepEqual(want, got) {
					t.Fatalf("seed %d, template %d in a %s: -want +got\n%s", from, i, kind, cmp.Diff(asJSON(t, want), asJSON(t, got)))
				}
				again := got.DeepCopy()
				if request.SetPodTemplateDefaults(again); !apiequality.Semantic.DeepEqual(got, again) {
					t.Fatalf("seed %d, template %d: a second time changes it", from, i)
				}
			}
		}
	}
}

func asJSON(t *testing.T, value any) any {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}
