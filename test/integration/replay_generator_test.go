package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/test/podgen"
)

// generator makes writes of every kind in a namespace.
type generator struct {
	t         *testing.T
	source    *rand.Rand
	namespace string
	users     []*harness.User
	objects   []client.Object
	n         int
	limited   bool
	quota     bool
}

func newGenerator(t *testing.T, source *rand.Rand, namespace string) *generator {
	t.Helper()
	config := rest.CopyConfig(cluster.Admin.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "carol", Groups: []string{"system:masters"}, Extra: map[string][]string{"reason": {"test"}}}
	impersonating, err := client.New(config, client.Options{Scheme: cluster.Admin.Client.Scheme()})
	must(t, err)
	return &generator{
		t: t, source: source, namespace: namespace,
		users: []*harness.User{cluster.Alice, cluster.Alice, cluster.Admin, {Name: "carol", Client: impersonating, Config: config}},
	}
}

func (g *generator) user() *harness.User { return g.users[g.source.IntN(len(g.users))] }

func (g *generator) meta() metav1.ObjectMeta {
	g.n++
	meta := metav1.ObjectMeta{Namespace: g.namespace, Name: fmt.Sprint("drawn-", g.n)}
	if g.source.IntN(3) == 0 {
		meta.Labels = map[string]string{"app": "drawn"}
	}
	if g.source.IntN(4) == 0 {
		meta.Annotations = map[string]string{"example.com/note": "a"}
	}
	return meta
}

func (g *generator) template(place podgen.Place) corev1.PodTemplateSpec {
	template := podgen.Template(g.source, place)
	template.Labels["number"] = fmt.Sprint(g.n)
	if g.source.IntN(2) == 0 {
		template.Spec.Containers[0].Image = "registry.example/team/app:1.2.3"
	}
	if g.source.IntN(4) == 0 {
		template.Spec.Containers[0].Resources = corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
		}
	}
	if g.source.IntN(8) == 0 {
		template.Spec.Containers[0].Env = append(template.Spec.Containers[0].Env, corev1.EnvVar{Name: "DB_PASSWORD", Value: "Vq8#kz2LpW"})
	}
	return template
}

// object returns a new object of any kind.
func (g *generator) object() client.Object {
	meta := g.meta()
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "drawn", "number": fmt.Sprint(g.n)}}
	replicas := new(int32(g.source.IntN(4)))
	switch g.source.IntN(14) {
	case 0, 1, 2:
		return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: replicas, Selector: selector, Template: g.template(podgen.Anywhere)}}
	case 3:
		return &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: replicas, Selector: selector, Template: g.template(podgen.Anywhere)}}
	case 4:
		return &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: g.template(podgen.Anywhere)}}
	case 5:
		return &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Replicas: replicas, Selector: selector, Template: g.template(podgen.Anywhere)}}
	case 6, 7:
		return &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: g.template(podgen.InJob)}}
	case 8:
		schedules := []string{"0 3 1 1 *", "* * * * *", "*/5 * * * *", "0 2 * * *"}
		job := batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: g.template(podgen.InJob)}}
		return &batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{Schedule: schedules[g.source.IntN(len(schedules))], JobTemplate: job}}
	case 9:
		kinds := []corev1.ServiceType{corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer}
		return &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
			Type: kinds[g.source.IntN(len(kinds))], Selector: map[string]string{"app": "drawn"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		}}
	case 10:
		return &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"app.properties": "db.password=" + []string{"", "Vq8#kz2LpW", "${DB}"}[g.source.IntN(3)]}}
	case 11:
		return &corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"password": []string{"", "Vq8#kz2LpW"}[g.source.IntN(2)]}}
	case 12:
		modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadWriteMany}
		return &corev1.PersistentVolumeClaim{ObjectMeta: meta, Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes[g.source.IntN(2):][:1], Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}}
	}
	template := g.template(podgen.Anywhere)
	meta.Labels = template.Labels
	return &corev1.Pod{ObjectMeta: meta, Spec: template.Spec}
}

// run makes writes. The API server may refuse some of them, as it does in practice.
func (g *generator) run(writes int) {
	g.t.Helper()
	for i := range writes {
		if i%(writes/6+1) == writes/12 {
			g.changeFacts()
		}
		if len(g.objects) < 12 || g.source.IntN(3) == 0 {
			g.create()
			continue
		}
		g.change()
	}
}

// independent creates objects as Alice, and returns them as they were sent.
func (g *generator) independent(n int) (sent []client.Object) {
	g.t.Helper()
	for range n {
		object := g.object()
		written, _ := object.DeepCopyObject().(client.Object)
		if answer := cluster.Alice.Create(g.t.Context(), object); answer.Err == nil {
			sent = append(sent, written)
		} else if !expected(answer.Err) {
			g.t.Fatal(answer.Err)
		}
	}
	return sent
}

// expected reports whether an error is an answer of the API server.
func expected(err error) bool {
	return err == nil || client.IgnoreNotFound(err) == nil || errors.As(err, new(interface{ Status() metav1.Status }))
}

func (g *generator) check(what string, err error) {
	g.t.Helper()
	if !expected(err) {
		g.t.Fatalf("%s: %v", what, err)
	}
}

func (g *generator) create() {
	g.t.Helper()
	object := g.object()
	var options []client.CreateOption
	switch g.source.IntN(12) {
	case 0:
		options = append(options, client.DryRunAll)
	case 1:
		object.SetName("")
		object.SetGenerateName("generated-")
	}
	answer := g.user().Create(g.t.Context(), object, options...)
	g.check("create", answer.Err)
	if answer.Err == nil && len(options) == 0 {
		g.objects = append(g.objects, object)
	}
	if g.source.IntN(15) == 0 && answer.Err == nil { // it exists already
		again, _ := object.DeepCopyObject().(client.Object)
		again.SetResourceVersion("")
		again.SetUID("")
		g.check("create again", g.user().Create(g.t.Context(), again).Err)
	}
}

// templateOf returns the path and the value of the template of an object, or nil.
func templateOf(u *unstructured.Unstructured) (path []string, template map[string]any) {
	for _, path := range [][]string{{"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}} {
		if template, found, err := unstructured.NestedMap(u.Object, path...); found && err == nil {
			return path, template
		}
	}
	return nil, nil
}

// change writes an existing object in some way.
func (g *generator) change() {
	g.t.Helper()
	ctx := g.t.Context()
	at := g.source.IntN(len(g.objects))
	known := g.objects[at]
	gvk, err := cluster.Admin.Client.GroupVersionKindFor(known)
	must(g.t, err)
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(known), object); err != nil {
		g.check("get", err)
		g.objects = append(g.objects[:at], g.objects[at+1:]...)
		return
	}
	user := g.user()
	switch g.source.IntN(13) {
	case 0:
		g.check("update", user.Update(ctx, g.edited(object)).Err)
	case 1:
		labels := fmt.Sprintf(`{"metadata":{"labels":{"app":%q,"round":"r%d"}}}`, []string{"drawn", "other"}[g.source.IntN(2)], g.source.IntN(5))
		kind := []types.PatchType{types.MergePatchType, types.StrategicMergePatchType}[g.source.IntN(2)]
		g.check("patch labels", user.Patch(ctx, object, client.RawPatch(kind, []byte(labels))).Err)
	case 2, 3:
		g.patchImage(user, object)
	case 4:
		g.apply(user, object)
	case 5:
		scale := fmt.Sprintf(`{"spec":{"replicas":%d}}`, g.source.IntN(4))
		g.check("scale", user.Client.SubResource("scale").Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(scale))))
	case 6:
		status := fmt.Sprintf(`{"metadata":{"annotations":{"example.com/status":"s%d"}}}`, g.source.IntN(3))
		g.check("status", user.PatchStatus(ctx, object, client.RawPatch(types.MergePatchType, []byte(status))).Err)
	case 7:
		g.rollBack(user, object)
	case 8:
		g.check("delete", user.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground)).Err)
	case 9:
		invalid := object.DeepCopy()
		invalid.SetLabels(map[string]string{"not a label": "x"})
		g.check("invalid", user.Update(ctx, invalid).Err)
	case 10:
		if gvk.Kind == "CronJob" {
			job, err := cluster.JobFrom(ctx, g.namespace, object.GetName(), fmt.Sprint("manual-", g.n))
			g.n++
			if g.check("get CronJob", err); err != nil {
				return
			}
			if g.source.IntN(2) == 0 {
				job.Spec.Template.Spec.Containers[0].Image = "nginx"
			}
			g.check("job", user.Create(ctx, job).Err)
		}
	case 11:
		if gvk.Kind == "Pod" {
			debug := `{"spec":{"ephemeralContainers":[{"name":"debug-` + fmt.Sprint(g.n) + `","image":"busybox"}]}}`
			g.n++
			g.check("debug", user.Client.SubResource("ephemeralcontainers").Patch(ctx, object, client.RawPatch(types.StrategicMergePatchType, []byte(debug))))
		}
	case 12:
		stale := object.DeepCopy()
		stale.SetResourceVersion("1")
		g.check("conflict", user.Update(ctx, stale).Err)
	}
}

// edited changes the object in a way that may add or remove a violation.
func (g *generator) edited(object *unstructured.Unstructured) *unstructured.Unstructured {
	object = object.DeepCopy()
	path, template := templateOf(object)
	if template == nil {
		labels := object.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels["edited"] = fmt.Sprint(g.source.IntN(5))
		object.SetLabels(labels)
		return object
	}
	containers, _, _ := unstructured.NestedSlice(template, "spec", "containers") // the API server has stored it
	container, _ := containers[0].(map[string]any)
	switch g.source.IntN(4) {
	case 0:
		container["image"] = []string{"nginx", "nginx:1.27.3", "registry.example/team/app:latest"}[g.source.IntN(3)]
	case 1:
		delete(container, "livenessProbe")
		delete(container, "readinessProbe")
	case 2:
		container["resources"] = map[string]any{"limits": map[string]any{"cpu": []string{"100m", "1", "4"}[g.source.IntN(3)], "memory": "256Mi"}}
	case 3:
		container["env"] = []any{map[string]any{"name": "API_TOKEN", "value": "Vq8#kz2LpW7tRx"}}
	}
	must(g.t, unstructured.SetNestedSlice(object.Object, containers, append(path, "spec", "containers")...))
	return object
}

func (g *generator) patchImage(user *harness.User, object *unstructured.Unstructured) {
	g.t.Helper()
	path, template := templateOf(object)
	if template == nil {
		path = nil // a Pod, or something without containers
	}
	image := []string{"nginx", "nginx:1.27.3", "registry.example/team/app:2.0.0"}[g.source.IntN(3)]
	field := "/" + strings.Join(append(path, "spec", "containers", "0", "image"), "/")
	patch, err := json.Marshal([]map[string]string{{"op": "replace", "path": field, "value": image}})
	must(g.t, err)
	if g.source.IntN(2) == 0 && template != nil {
		containers, _, _ := unstructured.NestedSlice(template, "spec", "containers") // the API server has stored it
		first, _ := containers[0].(map[string]any)
		nested := map[string]any{"containers": []any{map[string]any{"name": first["name"], "image": image}}}
		value := map[string]any{"spec": nested}
		for _, name := range slices.Backward(path) {
			value = map[string]any{name: value}
		}
		strategic, err := json.Marshal(value)
		must(g.t, err)
		g.check("strategic patch", user.Patch(g.t.Context(), object, client.RawPatch(types.StrategicMergePatchType, strategic)).Err)
		return
	}
	g.check("JSON patch", user.Patch(g.t.Context(), object, client.RawPatch(types.JSONPatchType, patch)).Err)
}

// apply applies a part of an object, or an object that does not exist yet.
func (g *generator) apply(user *harness.User, object *unstructured.Unstructured) {
	g.t.Helper()
	applied := &unstructured.Unstructured{Object: map[string]any{}}
	applied.SetGroupVersionKind(object.GroupVersionKind())
	applied.SetNamespace(g.namespace)
	applied.SetName(object.GetName())
	applied.SetAnnotations(map[string]string{"example.com/applied": fmt.Sprint(g.source.IntN(5))})
	if g.source.IntN(2) == 0 {
		made := g.object()
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(made)
		must(g.t, err)
		delete(content, "status")
		unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
		gvk, err := cluster.Admin.Client.GroupVersionKindFor(made)
		must(g.t, err)
		applied.Object = content
		applied.SetGroupVersionKind(gvk)
		g.objects = append(g.objects, made)
	}
	g.check("apply", user.ServerSideApply(g.t.Context(), client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("test"), client.ForceOwnership).Err)
}

// rollBack gives a Deployment the template of one of its ReplicaSets.
func (g *generator) rollBack(user *harness.User, object *unstructured.Unstructured) {
	g.t.Helper()
	if object.GetKind() != "Deployment" {
		return
	}
	var sets appsv1.ReplicaSetList
	must(g.t, cluster.Admin.Client.List(g.t.Context(), &sets, client.InNamespace(g.namespace)))
	for i := range sets.Items {
		if owner := metav1.GetControllerOf(&sets.Items[i]); owner == nil || owner.UID != object.GetUID() {
			continue
		}
		var deployment appsv1.Deployment
		must(g.t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment))
		deployment.Spec.Template = sets.Items[i].Spec.Template
		delete(deployment.Spec.Template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
		g.check("rollback", user.Update(g.t.Context(), &deployment).Err)
		return
	}
}

// changeFacts creates or deletes a LimitRange or a quota, and waits until Taffrail knows it.
func (g *generator) changeFacts() {
	g.t.Helper()
	ctx := g.t.Context()
	meta := metav1.ObjectMeta{Namespace: g.namespace, Name: "facts"}
	var object client.Object
	var policy string
	var there *bool
	if g.source.IntN(2) == 0 {
		item := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50")}}
		object, policy, there = &corev1.LimitRange{ObjectMeta: meta, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}}, "limitrange-fit", &g.limited
	} else {
		hard := corev1.ResourceList{corev1.ResourceRequestsStorage: resource.MustParse("100Ti"), corev1.ResourceName("requests.example.com/none"): resource.MustParse("1")}
		object, policy, there = &corev1.ResourceQuota{ObjectMeta: meta, Spec: corev1.ResourceQuotaSpec{Hard: hard}}, "quota-fit", &g.quota
	}
	if *there {
		must(g.t, cluster.Admin.Client.Delete(ctx, object))
	} else {
		must(g.t, cluster.Admin.Client.Create(ctx, object))
	}
	*there = !*there
	probe := harness.ProbePod(g.namespace, "registry.example/probe:1.0.0")
	resources := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("60"), "example.com/none": resource.MustParse("2")}
	probe.Spec.RestartPolicy = ""
	probe.Spec.Containers[0].Resources = corev1.ResourceRequirements{Limits: resources}
	selector := &metav1.LabelSelector{MatchLabels: probe.Labels}
	eventually(g.t, "Taffrail to know what was changed", func(ctx context.Context) error {
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, Name: "probe"}, Spec: appsv1.DeploymentSpec{
			Selector: selector, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: probe.Labels}, Spec: probe.Spec},
		}}
		answer := cluster.Alice.Create(ctx, deployment, client.DryRunAll)
		if answer.Err != nil {
			return answer.Err
		}
		event, err := cluster.AuditedAnswer(ctx, answer)
		if err != nil {
			return err
		}
		_, found := ours(event)["validate.taffrail.dev/"+policy]
		if found != *there {
			return fmt.Errorf("%s: %v, want %v", policy, found, *there)
		}
		return nil
	})
}

// kindName identifies an object of one namespace.
func kindName(object client.Object) string {
	gvk, err := cluster.Admin.Client.GroupVersionKindFor(object)
	if err != nil {
		gvk = schema.GroupVersionKind{}
	}
	return gvk.Kind + "/" + object.GetName()
}
