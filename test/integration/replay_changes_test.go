package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

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
