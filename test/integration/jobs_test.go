package integration

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// cronJob never runs on its own, and has an image without a tag and too many retries.
func cronJob(t *testing.T, namespace string) *batchv1.CronJob {
	t.Helper()
	retries, suspended := int32(20), true
	c := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "nightly"}}
	c.Spec = batchv1.CronJobSpec{Schedule: "0 3 * * *", Suspend: &suspended, ConcurrencyPolicy: batchv1.ForbidConcurrent}
	c.Spec.JobTemplate.Spec.BackoffLimit = &retries
	c.Spec.JobTemplate.Spec.Template = corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "nightly"}},
		Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: badImage}}},
	}
	return c
}

func jobFrom(t *testing.T, namespace, name string) *batchv1.Job {
	t.Helper()
	job, err := cluster.JobFrom(t.Context(), namespace, "nightly", name)
	must(t, err)
	return job
}

// enforcing makes a Guardrail enforce a policy that it otherwise only warns about.
func enforcing(t *testing.T, g *v1alpha1.Guardrail, policy string) {
	t.Helper()
	for i := range g.Spec.Policies {
		if g.Spec.Policies[i].Name == policy {
			g.Spec.Policies[i].Mode = v1alpha1.ModeEnforce
			return
		}
	}
	t.Fatalf("Guardrail %s does not bind %s", g.Name, policy)
}

// A CronJob that predates the Guardrail can be run manually, just as it runs on schedule.
func TestAJobFromAViolatingCronJobIsTolerated(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			name := lateName("job-from", existing)
			namespace := lateNamespace(t, name)
			admit(t, "a CronJob", cluster.Alice.Create(t.Context(), cronJob(t, namespace)))
			g := lateWith(t, name, existing)
			enforcing(t, g, "job-retries")
			enforceLate(t, g, namespace)

			answer := admit(t, "a Job from it", cluster.Alice.Create(t.Context(), jobFrom(t, namespace, "by-hand")))
			wantFrom(t, "a Job from it", answer, "CronJob nightly")
			pod := podsOf(t, namespace, "job-name", "by-hand", 1)[0]
			if image := pod.Spec.Containers[0].Image; image != badImage {
				t.Errorf("the Pod runs %s", image)
			}

			// Every field has to be the CronJob's.
			more := int32(21)
			retrying := jobFrom(t, namespace, "retrying")
			retrying.Spec.BackoffLimit = &more
			words := deny(t, "more retries", cluster.Alice.Create(t.Context(), retrying))
			if !strings.Contains(words, "- job-retries") || strings.Contains(words, "- image-tag") {
				t.Errorf("denied for:\n%s", words)
			}
		})
	}
}

// A Job that only names a CronJob as its owner is denied like any other.
func TestAJobThatOnlyNamesACronJobIsDenied(t *testing.T) {
	t.Parallel()
	namespace := lateNamespace(t, "job-forged")
	elsewhere := newNamespace(t, "job-forged-elsewhere", "test.taffrail.dev/late=job-forged")
	admit(t, "a CronJob", cluster.Alice.Create(t.Context(), cronJob(t, namespace)))
	enforceLate(t, lateGuardrail(t, "job-forged"), namespace)
	for name, forge := range map[string]func(*batchv1.Job){
		"another-image":     func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Image = "evil" },
		"another-container": func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Name = "other" },
		"another-label":     func(j *batchv1.Job) { j.Spec.Template.Labels["more"] = "labels" },
		"another-uid":       func(j *batchv1.Job) { j.OwnerReferences[0].UID = "no-uid" },
		"another-name":      func(j *batchv1.Job) { j.OwnerReferences[0].Name = "gone" },
		"another-group":     func(j *batchv1.Job) { j.OwnerReferences[0].APIVersion = "example.com/v1" },
		"another-kind":      func(j *batchv1.Job) { j.OwnerReferences[0].Kind = "Job" },
		"not-controlled":    func(j *batchv1.Job) { j.OwnerReferences[0].Controller = nil },
		"an-annotation":     func(j *batchv1.Job) { j.OwnerReferences = nil },
		"elsewhere":         func(j *batchv1.Job) { j.Namespace = elsewhere },
	} {
		job := jobFrom(t, namespace, name)
		forge(job)
		if words := deny(t, name, cluster.Alice.Create(t.Context(), job, client.DryRunAll)); !strings.Contains(words, "- image-tag, ") {
			t.Errorf("%s: denied for:\n%s", name, words)
		}
	}
}

// An edit of a suspended Job's resources is decided like that of any template.
func TestASuspendedJobsResourcesAreDecided(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "suspended", enforced)
	put(t, containerLimits(namespace, corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: quantities("1", "")}))
	suspended := true
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "later"}}
	job.Spec = batchv1.JobSpec{Suspend: &suspended, Template: cronJob(t, namespace).Spec.JobTemplate.Spec.Template}
	job.Spec.Template.Spec.Containers[0].Image, job.Spec.Template.Spec.Containers[0].Resources = goodImage, injected
	admit(t, "a suspended Job", cluster.Alice.Create(t.Context(), job))

	limit := func(cpu string) *harness.Answer {
		patch := changed(job, func() { job.Spec.Template.Spec.Containers[0].Resources.Limits = quantities(cpu, "768Mi") })
		return cluster.Alice.Patch(t.Context(), job, patch)
	}
	words := deny(t, "over the maximum", limit("2"))
	if !strings.Contains(words, "- limitrange-fit, container \"main\"") {
		t.Errorf("denied for:\n%s", words)
	}
	must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(job), job))
	admit(t, "at the maximum", limit("1"))
}
