package integration

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
)

// injecting returns a Guardrail that injects resources and requires them, for namespaces with the label
// test.taffrail.dev/late=name.
func injecting(name, parameters string) *v1alpha1.Guardrail {
	g := &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: unique("injecting-" + name)}}
	g.Spec = v1alpha1.GuardrailSpec{
		Mode: v1alpha1.ModeEnforce, Existing: v1alpha1.ExistingTolerate,
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"test.taffrail.dev/late": name}},
		Policies:          []v1alpha1.PolicyBinding{{Name: "image-tag"}, {Name: "inject-resources"}, {Name: "require-resources"}},
	}
	if parameters != "" {
		g.Spec.Policies[1].Parameters = &apiextensionsv1.JSON{Raw: []byte(parameters)}
	}
	return g
}

// awaitRecord waits until the Guardrail's status has a record of its injections in a namespace, and until the
// second in which it began is over, so that what is written from now on is newer. It reads the status without
// its Go type, which an earlier version lacks.
func awaitRecord(t *testing.T, guardrail, namespace string, periods int) {
	t.Helper()
	eventually(t, "the record of "+guardrail+" in "+namespace, func(ctx context.Context) error {
		g := &unstructured.Unstructured{}
		g.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("Guardrail"))
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Name: guardrail}, g); err != nil {
			return err
		}
		record, _, _ := unstructured.NestedMap(g.Object, "status", "injection")
		recorded, _ := record["periods"].([]any)
		if len(recorded) < periods {
			return fmt.Errorf("it has %v", record)
		}
		last, _ := recorded[len(recorded)-1].(map[string]any)
		times := []any{last["since"], record["everywhere"]}
		groups, _ := record["namespaces"].([]any)
		listed := record["everywhere"] != nil
		for _, item := range groups {
			group, _ := item.(map[string]any)
			names, _ := group["names"].([]any)
			if slices.Contains(names, any(namespace)) {
				listed, times = true, append(times, group["since"])
			}
		}
		if !listed {
			return fmt.Errorf("%s is not listed in %v", namespace, record)
		}
		for _, text := range times {
			text, _ := text.(string)
			if at, err := time.Parse(time.RFC3339, text); err == nil && time.Now().Before(at.Add(2*time.Second)) {
				return errors.New("it is a moment old")
			}
		}
		return nil
	})
}

// unfilled returns a template with a container without resources.
func unfilled(app string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/app:1.0.0"}}},
	}
}

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func deploymentOf(namespace, name string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: objectMeta(namespace, name), Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}, Template: unfilled(name),
	}}
}

// everyKind returns a workload of every kind with a template, by the label app of its Pods.
func everyKind(t *testing.T, namespace string) map[string]client.Object {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: unique("existing-pods-node"), Labels: map[string]string{"test.taffrail.dev/node": namespace}}}
	must(t, cluster.Admin.Client.Create(t.Context(), node))
	selector := func(app string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
	once := func(app string) corev1.PodTemplateSpec {
		template := unfilled(app)
		template.Spec.RestartPolicy = corev1.RestartPolicyNever
		return template
	}
	daemon, one, never := unfilled("daemonset"), int32(1), true
	daemon.Spec.NodeSelector = node.Labels
	// Without a kubelet, the Node counts as unreachable after a while.
	daemon.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	controller := unfilled("replicationcontroller")
	return map[string]client.Object{
		"deployment": deploymentOf(namespace, "deployment"),
		"replicaset": &appsv1.ReplicaSet{ObjectMeta: objectMeta(namespace, "replicaset"), Spec: appsv1.ReplicaSetSpec{Selector: selector("replicaset"), Template: unfilled("replicaset")}},
		"statefulset": &appsv1.StatefulSet{ObjectMeta: objectMeta(namespace, "statefulset"), Spec: appsv1.StatefulSetSpec{
			Selector: selector("statefulset"), Template: unfilled("statefulset"),
		}},
		"daemonset": &appsv1.DaemonSet{ObjectMeta: objectMeta(namespace, "daemonset"), Spec: appsv1.DaemonSetSpec{Selector: selector("daemonset"), Template: daemon}},
		"replicationcontroller": &corev1.ReplicationController{ObjectMeta: objectMeta(namespace, "replicationcontroller"), Spec: corev1.ReplicationControllerSpec{
			Replicas: &one, Selector: map[string]string{"app": "replicationcontroller"}, Template: &controller,
		}},
		"job": &batchv1.Job{ObjectMeta: objectMeta(namespace, "job"), Spec: batchv1.JobSpec{Template: once("job")}},
		"cronjob": &batchv1.CronJob{ObjectMeta: objectMeta(namespace, "cronjob"), Spec: batchv1.CronJobSpec{
			Schedule: "0 0 1 1 *", Suspend: &never, JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: once("cronjob")}},
		}},
	}
}

// podOfApp waits for a Pod of an app that is none of the given ones.
func podOfApp(t *testing.T, namespace, app string, but ...types.UID) *corev1.Pod {
	t.Helper()
	var found *corev1.Pod
	eventually(t, "a new Pod of "+app, func(ctx context.Context) error {
		var list corev1.PodList
		if err := cluster.Admin.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{"app": app}); err != nil {
			return err
		}
		for i := range list.Items {
			if pod := &list.Items[i]; !slices.Contains(but, pod.UID) && pod.DeletionTimestamp == nil {
				found = pod
				return nil
			}
		}
		return fmt.Errorf("there are %d Pods", len(list.Items))
	})
	return found
}

// replaced deletes a Pod and waits for its successor.
func replaced(t *testing.T, app string, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	admit(t, "deleting a Pod of "+app, cluster.Alice.Delete(t.Context(), pod, client.GracePeriodSeconds(0)))
	return podOfApp(t, pod.Namespace, app, pod.UID)
}

var tokenVolume = regexp.MustCompile(`kube-api-access-\w+`)

// shared returns what two Pods of the same template have in common.
func shared(t *testing.T, pod *corev1.Pod) map[string]any {
	t.Helper()
	pod = pod.DeepCopy()
	for i := range pod.Spec.Volumes {
		pod.Spec.Volumes[i].Name = tokenVolume.ReplaceAllString(pod.Spec.Volumes[i].Name, "token")
	}
	for i := range pod.Spec.Containers {
		for k := range pod.Spec.Containers[i].VolumeMounts {
			mount := &pod.Spec.Containers[i].VolumeMounts[k]
			mount.Name = tokenVolume.ReplaceAllString(mount.Name, "token")
		}
	}
	if pod.GenerateName != "" {
		pod.Name = ""
		if pod.Spec.Hostname != "" {
			pod.Spec.Hostname = "its own"
		}
	}
	pod.UID, pod.ResourceVersion, pod.CreationTimestamp, pod.ManagedFields = "", "", metav1.Time{}, nil
	// The Job controller adds it until the Pod is counted.
	pod.Finalizers = nil
	return map[string]any{"metadata": pod.ObjectMeta, "spec": pod.Spec}
}

func makeJobFrom(t *testing.T, namespace, cronJob, name string) {
	t.Helper()
	job, err := cluster.JobFrom(t.Context(), namespace, cronJob, name)
	must(t, err)
	admit(t, "a Job of "+cronJob, cluster.Alice.Create(t.Context(), job))
}

// Enforcing changes no running workload: the successor of every deleted Pod is the same as before. A later
// rollout is filled, and a rollback is not.
func TestEnforcingKeepsPodsAsTheyAre(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "existing-pods", "test.taffrail.dev/late=existing-pods")
	all := everyKind(t, namespace)
	for app, object := range all {
		admit(t, app, cluster.Alice.Create(t.Context(), object))
	}
	makeJobFrom(t, namespace, "cronjob", "cronjob-first")
	before := map[string]*corev1.Pod{}
	for app := range all {
		before[app] = podOfApp(t, namespace, app)
		if app != "daemonset" && len(before[app].Spec.Containers[0].Resources.Limits) > 0 {
			t.Fatalf("%s is filled before there is a Guardrail", app)
		}
	}
	g := injecting("existing-pods", "")
	enforceLate(t, g, namespace)

	after := map[string]*corev1.Pod{}
	for app, pod := range before {
		after[app] = replaced(t, app, pod)
		if diff := diff(shared(t, pod), shared(t, after[app])); diff != "" {
			t.Errorf("the successor of a Pod of %s differs (-before +after):\n%s", app, diff)
		}
	}
	if t.Failed() {
		return
	}
	awaitRecord(t, g.Name, namespace, 1)
	for app, pod := range after {
		again := replaced(t, app, pod)
		if diff := diff(shared(t, pod), shared(t, again)); diff != "" {
			t.Errorf("once it is recorded, the successor of a Pod of %s differs (-before +after):\n%s", app, diff)
		}
	}
	// A run of an old CronJob is like the previous one.
	makeJobFrom(t, namespace, "cronjob", "cronjob-second")
	if diff := diff(shared(t, before["cronjob"])["spec"], shared(t, podOfJob(t, namespace, "cronjob-second"))["spec"]); diff != "" {
		t.Errorf("another run of the CronJob differs:\n%s", diff)
	}

	// What is written now is filled, and /validate agrees: no finding.
	for _, app := range []string{"deployment", "statefulset"} {
		object, pod := all[app], podOfApp(t, namespace, app)
		must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object))
		annotation := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"rolled":%q}}}}}`, "out")
		answer := admit(t, "rolling out "+app, cluster.Alice.Patch(t.Context(), object, client.RawPatch(types.StrategicMergePatchType, []byte(annotation))))
		if len(answer.Warnings) > 0 {
			t.Errorf("rolling out %s: warnings %q", app, answer.Warnings)
		}
		filled := podWith(t, namespace, app, "out", pod)
		wantResources(t, app+" rolled out", filled.Spec.Containers[0].Resources, injected)
		admit(t, "deleting it", cluster.Alice.Delete(t.Context(), filled, client.GracePeriodSeconds(0)))
		wantResources(t, app+" replaced", podWith(t, namespace, app, "out", filled).Spec.Containers[0].Resources, injected)
		back := `{"spec":{"template":{"metadata":{"annotations":{"rolled":null}}}}}`
		answer = admit(t, "rolling back "+app, cluster.Alice.Patch(t.Context(), object, client.RawPatch(types.StrategicMergePatchType, []byte(back))))
		if len(answer.Warnings) == 0 {
			t.Errorf("rolling back %s: nothing says that nothing is filled in", app)
		}
		wantResources(t, app+" rolled back", podWith(t, namespace, app, "", filled).Spec.Containers[0].Resources, corev1.ResourceRequirements{})
	}
	fresh := deploymentOf(namespace, "fresh")
	if answer := admit(t, "a new Deployment", cluster.Alice.Create(t.Context(), fresh)); len(answer.Warnings) > 0 {
		t.Errorf("a new Deployment: warnings %q", answer.Warnings)
	}
	wantResources(t, "a new Deployment", podOfApp(t, namespace, "fresh").Spec.Containers[0].Resources, injected)
	bare := podOf(namespace, "bare", app("main", corev1.ResourceRequirements{}))
	admit(t, "a bare Pod", cluster.Alice.Create(t.Context(), bare))
	wantResources(t, "a bare Pod", stored(t, bare).Spec.Containers[0].Resources, injected)

	// An old CronJob is never filled, so a new container has to set its resources.
	cronJob := all["cronjob"]
	more := `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"more","image":"registry.example/app:1.0.0"}]}}}}}}`
	words := deny(t, "a container for an old CronJob", cluster.Alice.Patch(t.Context(), cronJob, client.RawPatch(types.StrategicMergePatchType, []byte(more)), client.DryRunAll))
	if !strings.Contains(words, `require-resources, container "more"`) || strings.Contains(words, `"main"`) {
		t.Errorf("denied for:\n%s", words)
	}

	g.Spec.Existing = v1alpha1.ExistingEnforce
	putGuardrail(t, g)
	for i, filled := 0, false; !filled; i++ { // the server's watch may lag behind
		if i == 50 {
			t.Fatal("old templates are not filled under existing: enforce")
		}
		got := replaced(t, "replicaset", podOfApp(t, namespace, "replicaset"))
		filled = len(got.Spec.Containers[0].Resources.Limits) > 0
	}
	for _, app := range []string{"deployment", "statefulset", "daemonset", "replicationcontroller"} {
		wantResources(t, app+" under existing: enforce", replaced(t, app, podOfApp(t, namespace, app)).Spec.Containers[0].Resources, injected)
	}
}

func podOfJob(t *testing.T, namespace, job string) *corev1.Pod {
	t.Helper()
	return &podsOf(t, namespace, "job-name", job, 1)[0]
}

// podWith waits for a Pod of an app whose template has the annotation rolled, other than the one that it
// replaces.
func podWith(t *testing.T, namespace, app, rolled string, replaces *corev1.Pod) *corev1.Pod {
	t.Helper()
	var found *corev1.Pod
	eventually(t, fmt.Sprintf("a Pod of %s rolled %q", app, rolled), func(ctx context.Context) error {
		var list corev1.PodList
		if err := cluster.Admin.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{"app": app}); err != nil {
			return err
		}
		for i := range list.Items {
			pod := &list.Items[i]
			if pod.Annotations["rolled"] == rolled && pod.UID != replaces.UID && pod.DeletionTimestamp == nil {
				found = pod
				return nil
			}
			// Nothing makes Pods ready here, which a StatefulSet would wait for.
			if pod.Annotations["rolled"] != rolled && pod.DeletionTimestamp == nil {
				_ = cluster.Admin.Client.Delete(ctx, pod, client.GracePeriodSeconds(0))
			}
		}
		return errors.New("there is none")
	})
	return found
}
