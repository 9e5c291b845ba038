package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// podsOf waits until a namespace has n Pods of an app.
func podsOf(t *testing.T, namespace, label, value string, n int) []corev1.Pod {
	t.Helper()
	var list corev1.PodList
	eventually(t, fmt.Sprintf("%d Pods of %s in %s", n, value, namespace), func(ctx context.Context) error {
		if err := cluster.Admin.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{label: value}); err != nil {
			return err
		}
		if len(list.Items) != n {
			return fmt.Errorf("there are %d", len(list.Items))
		}
		return nil
	})
	return list.Items
}

// The chapter's own Deployment results in a ReplicaSet and Pods.
func TestDeploymentBecomesPods(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "rollout", enforced, restricted)
	admit(t, "backend-app", cluster.Alice.Create(t.Context(), chapter(t, "22_deployment", namespace)))
	for _, pod := range podsOf(t, namespace, "app", "backend-app", 2) {
		wantResources(t, pod.Name, pod.Spec.Containers[0].Resources, injected)
	}
}

// The chapter's CronJob sets no resources. The Pods of a Job created from it, as by kubectl create job
// --from=cronjob/batch-app, have them.
func TestJobFromCronJobIsFilled(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "job", enforced)
	admit(t, "batch-app", cluster.Alice.Create(t.Context(), batch(t, namespace)))
	job, err := cluster.JobFrom(t.Context(), namespace, "batch-app", "batch-app-manual")
	must(t, err)
	answer := admit(t, "a Job made from it", cluster.Alice.Create(t.Context(), job))
	if len(answer.Warnings) > 0 {
		t.Errorf("warnings %q", answer.Warnings)
	}
	pod := podsOf(t, namespace, "job-name", job.Name, 1)[0]
	wantResources(t, pod.Name, pod.Spec.Containers[0].Resources, injected)
	event := createdPod(t, pod.Namespace, pod.Name)
	want := map[string]string{"mutate.taffrail.dev/inject-resources": "enforce, required by Guardrail chapter: batch-app: " +
		"sets limits.cpu=250m, limits.memory=768Mi, requests.cpu=100m, requests.memory=512Mi"}
	if diff := diff(want, ours(event)); diff != "" {
		t.Errorf("the audit log (-want +got):\n%s", diff)
	}
}

// createdPod returns the audit log's entry for the creation of a Pod.
func createdPod(t *testing.T, namespace, name string) *harness.AuditEvent {
	t.Helper()
	return created(t, "pods", namespace, name)
}

func created(t *testing.T, resource, namespace, name string) *harness.AuditEvent {
	t.Helper()
	event, err := cluster.Audited(t.Context(), "the creation of "+resource+"/"+name, func(e *harness.AuditEvent) bool {
		o := e.ObjectRef
		// With generateName, the API server chooses the name, so the log of the request does not have it; the
		// log has one line per request.
		return e.Verb == "create" && e.ResponseStatus.Code == 201 && o.Resource == resource && o.Namespace == namespace &&
			(o.Name == name || o.Name == "" || strings.HasPrefix(name, o.Name))
	})
	must(t, err)
	return event
}

// The controllers of the controller manager are trusted by the names of their service accounts: workloads that
// exist before a Guardrail keep getting Pods.
func TestBuiltInControllersAreRecorded(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "controllers", "test.taffrail.dev/late=controllers")
	must(t, cluster.Admin.Client.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: unique("node")}}))

	labels := map[string]string{"app": "violating"}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx"}}},
	}
	once := *template.DeepCopy()
	once.Labels, once.Spec.RestartPolicy = map[string]string{"app": "once"}, corev1.RestartPolicyNever
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	none, suspended := int32(0), true
	deployment := &appsv1.Deployment{ObjectMeta: meta("deployment"), Spec: appsv1.DeploymentSpec{Paused: true, Selector: selector, Template: template}}
	replicaSet := &appsv1.ReplicaSet{ObjectMeta: meta("replicaset"), Spec: appsv1.ReplicaSetSpec{Replicas: &none, Selector: selector, Template: template}}
	statefulSet := &appsv1.StatefulSet{ObjectMeta: meta("statefulset"), Spec: appsv1.StatefulSetSpec{Replicas: &none, Selector: selector, Template: template}}
	// It matches no node yet.
	daemonSet := &appsv1.DaemonSet{ObjectMeta: meta("daemonset"), Spec: appsv1.DaemonSetSpec{Selector: selector, Template: *template.DeepCopy()}}
	daemonSet.Spec.Template.Spec.NodeSelector = map[string]string{"not": "yet"}
	controller := &corev1.ReplicationController{ObjectMeta: meta("replicationcontroller"), Spec: corev1.ReplicationControllerSpec{Replicas: &none, Selector: labels, Template: &template}}
	job := &batchv1.Job{ObjectMeta: meta("job"), Spec: batchv1.JobSpec{Suspend: &suspended, Template: once}}
	cronJob := &batchv1.CronJob{ObjectMeta: meta("cronjob"), Spec: batchv1.CronJobSpec{
		Schedule: "* * * * *", Suspend: &suspended, JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: once}},
	}}
	all := []client.Object{deployment, replicaSet, statefulSet, daemonSet, controller, job, cronJob}
	for _, object := range all {
		admit(t, object.GetName(), cluster.Alice.Create(t.Context(), object))
	}
	late := lateGuardrail(t, "controllers")
	enforceLate(t, late, namespace)

	// Each starts with an update that adds no violation, which is tolerated.
	one := int32(1)
	for object, loose := range map[client.Object]func(){
		deployment:  func() { deployment.Spec.Paused = false },
		replicaSet:  func() { replicaSet.Spec.Replicas = &one },
		statefulSet: func() { statefulSet.Spec.Replicas = &one },
		daemonSet:   func() { daemonSet.Spec.Template.Spec.NodeSelector = nil },
		controller:  func() { controller.Spec.Replicas = &one },
		job:         func() { job.Spec.Suspend = new(bool) },
		cronJob:     func() { cronJob.Spec.Suspend = new(bool) },
	} {
		answer := cluster.Alice.Patch(t.Context(), object, changed(object, loose))
		wantTolerated(t, object.GetName(), admit(t, object.GetName(), answer))
	}
	// An overdue run starts at once.
	before := cronJob.DeepCopy()
	cronJob.Status.LastScheduleTime = &metav1.Time{Time: time.Now().Add(-10 * time.Minute)}
	must(t, cluster.Admin.Client.Status().Patch(t.Context(), cronJob, client.MergeFrom(before)))

	for user, resource := range map[string]string{
		"deployment-controller": "replicasets", "replicaset-controller": "pods", "statefulset-controller": "pods",
		"daemon-set-controller": "pods", "replication-controller": "pods", "job-controller": "pods", "cronjob-controller": "jobs",
	} {
		event, err := cluster.Audited(t.Context(), user+" creating "+resource, func(e *harness.AuditEvent) bool {
			return e.User.Username == "system:serviceaccount:kube-system:"+user && e.Verb == "create" &&
				e.ObjectRef.Resource == resource && e.ObjectRef.Namespace == namespace && ours(e)["validate.taffrail.dev/image-tag"] != ""
		})
		must(t, err)
		if event.ResponseStatus.Code != 201 {
			t.Errorf("%s was answered with %d", user, event.ResponseStatus.Code)
		}
		want := "audit, recorded, required by Guardrail " + late.Name + ": main: "
		if note := ours(event)["validate.taffrail.dev/image-tag"]; !strings.HasPrefix(note, want) {
			t.Errorf("%s: image-tag is %q, want %q…", user, note, want)
		}
	}
}
