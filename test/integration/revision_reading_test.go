package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// oddly returns ways to write a template from which the StatefulSet controller reads the bad image, while a
// reader with other rules might not. good and bad are templates as JSON.
func oddly(good, bad string) map[string]string {
	patch := func(template string) string { return `{"spec":{"template":` + template + `}}` }
	replaced := strings.Replace(good, "{", `{"$patch":"replace",`, 1)
	return map[string]string{
		"another-case":       patch(strings.Replace(bad, `"containers"`, `"Containers"`, 1)),
		"both-cases":         patch(strings.Replace(replaced, `"containers"`, `"CONTAINERS":[{"name":"backend-app","image":"`+badImage+`"}],"containers"`, 1)),
		"case-of-template":   `{"spec":{"Template":` + bad + `}}`,
		"case-of-spec":       `{"Spec":{"template":` + bad + `}}`,
		"case-of-an-image":   patch(strings.Replace(replaced, `"image":`, `"imagE":"`+badImage+`","image":`, 1)),
		"a-long-s":           patch(strings.Replace(bad, `"containers"`, `"containerſ"`, 1)),
		"a-long-s-escaped":   patch(strings.Replace(bad, `"containers"`, `"container\u017f"`, 1)),
		"an-escaped-name":    patch(strings.Replace(bad, `"image"`, `"im\u0061ge"`, 1)),
		"twice":              patch(strings.Replace(replaced, `"image":"`+goodImage+`"`, `"image":"`+goodImage+`","image":"`+badImage+`"`, 1)),
		"twice-the-template": `{"spec":{"template":` + good + `,"template":` + bad + `}}`,
		"twice-the-spec":     `{"spec":{"template":` + good + `},"spec":{"template":` + bad + `}}`,
		"twice-escaped":      patch(strings.Replace(replaced, `"image":"`+goodImage+`"`, `"image":"`+goodImage+`","im\u0061ge":"`+badImage+`"`, 1)),
		"a-blank":            patch(strings.Replace(bad, `"cpu":"`, `"cpu":" `, 1)),
		"a-blank-after":      patch(strings.Replace(strings.Replace(bad, `"cpu":"100m"`, `"cpu":"100m "`, 1), `"cpu":"150m"`, `"cpu":"150m\u00a0"`, 1)),
		"not-utf-8":          patch(strings.Replace(bad, `"labels":{`, `"labels":{"x":"`+"\xff"+`",`, 1)),
		"half-a-surrogate":   patch(strings.Replace(bad, `"labels":{`, `"labels":{"x":"\ud800",`, 1)),
		"a-directive":        patch(strings.Replace(good, `"name":"backend-app"`, `"name":"backend-app","$patch":"delete"},{"image":"`+badImage+`","name":"other"`, 1)),
		"retained-keys":      patch(`{"spec":{"containers":[{"name":"backend-app","$retainKeys":["name","image"],"image":"` + goodImage + `"}]}}`),
		"merged":             `{"spec":{"template":` + good + `}}`,
		"a-part":             patch(`{"spec":{"hostNetwork":true}}`),
		"no-containers":      patch(`{"spec":{"hostPID":true,"domain":{}}}`),
		"more-than-that":     `{"spec":{"template":` + replaced + `,"volumeClaimTemplates":[{"metadata":{"name":"huge"}}]}}`,
	}
}

// rawRevision returns a ControllerRevision whose data is sent to the API server unchanged.
func rawRevision(t *testing.T, owner client.Object, kind, name, data string) []byte {
	t.Helper()
	encoded, err := json.Marshal(revisionOf(t, owner, kind, name, map[string]any{"placeholder": 1}))
	must(t, err)
	text := strings.Replace(string(encoded), `"data":{"placeholder":1}`, `"data":`+data, 1)
	return []byte(strings.Replace(text, `{"metadata"`, `{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata"`, 1))
}

// postRevision creates it, and returns the API server's error.
func postRevision(t *testing.T, user *harness.User, namespace string, body []byte) error {
	t.Helper()
	// kubectl would decode the data and is therefore not used.
	c, err := user.REST(appsv1.SchemeGroupVersion)
	must(t, err)
	return c.Post().Namespace(namespace).Resource("controllerrevisions").SetHeader("Content-Type", "application/json").Body(body).Do(t.Context()).Error()
}

// Whoever may create revisions and write a StatefulSet's status can make the StatefulSet controller run any
// revision, without a rollback. So a revision is read as that controller reads it, and an ambiguous one is
// refused, by a decision: under failurePolicy Ignore an error would admit it.
func TestARevisionIsReadAsItsControllerReadsIt(t *testing.T) {
	t.Parallel()
	name := unique("reading")
	server := newServer(t, harness.ServerOptions{Name: name})
	register(t, harness.Registration{Name: name, Address: server.Address(), FailurePolicy: admissionregistrationv1.Ignore})
	namespace := newNamespace(t, name, servedBy(name), "test.taffrail.dev/own="+name)
	putGuardrail(t, binding(unique("reading"), name, "image-tag"))
	w := workloads(t, namespace)["StatefulSet"]
	w.template.Spec.Containers[0].Image = goodImage
	admit(t, "a StatefulSet", cluster.Alice.Create(t.Context(), w.object))
	running(t, namespace, "statefulset", goodImage, 1)
	awaitDenial(t, "enforcement", func() *harness.Answer { return toBad(t, w) })

	bad := w.template.DeepCopy()
	bad.Spec.Containers[0].Image = badImage
	goodJSON, err := jsonOf(w.template)
	must(t, err)
	badJSON, err := jsonOf(bad)
	must(t, err)
	for what, data := range oddly(goodJSON, badJSON) {
		for _, of := range []string{"StatefulSet", "DaemonSet", ""} {
			body := rawRevision(t, w.object, "StatefulSet", "statefulset-"+strings.ReplaceAll(what, "-", ""), data)
			switch of {
			case "DaemonSet": // the garbage collector removes an owner that does not exist
				body = []byte(strings.Replace(string(body), `"kind":"StatefulSet"`, `"kind":"DaemonSet"`, 1))
			case "":
				revision := map[string]any{}
				must(t, json.Unmarshal([]byte(strings.Replace(string(body), data, "{}", 1)), &revision))
				delete(revision["metadata"].(map[string]any), "ownerReferences")
				encoded, err := json.Marshal(revision)
				must(t, err)
				body = []byte(strings.Replace(string(encoded), `"data":{}`, `"data":`+data, 1))
			}
			err := postRevision(t, cluster.Admin, namespace, body)
			if err == nil || !strings.Contains(err.Error(), "denied the request") {
				t.Errorf("%s, owner %q: got %v", what, of, err)
			}
		}
	}

	// Unambiguous revisions without violations are admitted.
	for what, data := range map[string]string{
		"replaced":     `{"spec":{"template":` + strings.Replace(goodJSON, "{", `{"$patch":"replace",`, 1) + `}}`,
		"later fields": `{"spec":{"template":` + strings.Replace(strings.Replace(goodJSON, "{", `{"$patch":"replace",`, 1), `"containers":`, `"aFieldOfTomorrow":1,"containers":`, 1) + `}}`,
	} {
		if err := postRevision(t, cluster.Admin, namespace, rawRevision(t, w.object, "StatefulSet", "statefulset-"+strings.ReplaceAll(what, " ", ""), data)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The attack works on a cluster without Taffrail, and fails with it.
func TestAStatusRunsNoForgedRevision(t *testing.T) {
	t.Parallel()
	for _, guarded := range []bool{false, true} {
		name := unique(fmt.Sprintf("status-%v", guarded))
		namespace := newNamespace(t, name, "test.taffrail.dev/own="+name)
		w := workloads(t, namespace)["StatefulSet"]
		w.template.Spec.Containers[0].Image = goodImage
		set := w.object.(*appsv1.StatefulSet)
		// The first Pod is of the current revision, whichever one the status names.
		set.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: new(int32(1))}
		admit(t, "a StatefulSet", cluster.Alice.Create(t.Context(), set))
		running(t, namespace, "statefulset", goodImage, 1)
		if guarded {
			putGuardrail(t, binding(name, name, "image-tag"))
			awaitDenial(t, "enforcement", func() *harness.Answer { return toBad(t, w) })
		}
		bad := w.template.DeepCopy()
		bad.Spec.Containers[0].Image = badImage
		template, err := jsonOf(bad)
		must(t, err)
		template = strings.Replace(template, `"containers"`, `"Containers"`, 1)
		body := rawRevision(t, set, "StatefulSet", "statefulset-forged", `{"spec":{"template":`+strings.Replace(template, "{", `{"$patch":"replace",`, 1)+`}}`)
		err = postRevision(t, cluster.Admin, namespace, body)
		if guarded {
			if err == nil || !strings.Contains(err.Error(), "denied the request") {
				t.Errorf("the revision: got %v", err)
			}
			continue
		}
		must(t, err)
		eventually(t, "a Pod of the forged revision", func(ctx context.Context) error {
			current := &appsv1.StatefulSet{}
			if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(set), current); err != nil {
				return err
			}
			if current.Status.CurrentRevision != "statefulset-forged" {
				status := client.RawPatch(types.MergePatchType, []byte(`{"status":{"currentRevision":"statefulset-forged"}}`))
				return errors.Join(errors.New("the status was another"), cluster.Admin.PatchStatus(ctx, current, status).Err)
			}
			var pods corev1.PodList
			if err := cluster.Admin.Client.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
				return err
			}
			for i := range pods.Items {
				if pods.Items[i].Spec.Containers[0].Image == badImage {
					return nil
				}
				if err := client.IgnoreNotFound(cluster.Admin.Client.Delete(ctx, &pods.Items[i], client.GracePeriodSeconds(0))); err != nil {
					return err
				}
			}
			return fmt.Errorf("there are %d Pods, none of them", len(pods.Items))
		})
	}
}

// Raw JSON in objects of other kinds, and in fields that the API server manages, may contain duplicate names
// too. That is not an error that lets the object bypass policies.
func TestANameThatComesTwiceIsNoWayAround(t *testing.T) {
	t.Parallel()
	name := unique("twice")
	server := newServer(t, harness.ServerOptions{Name: name})
	register(t, harness.Registration{Name: name, Address: server.Address(), FailurePolicy: admissionregistrationv1.Ignore})
	namespace := newNamespace(t, name, servedBy(name), "test.taffrail.dev/own="+name)
	putGuardrail(t, binding(unique("twice"), name, "image-tag"))
	w := workloads(t, namespace)["Deployment"]
	eventually(t, "enforcement", func(ctx context.Context) error {
		if _, denied := cluster.Alice.Create(ctx, w.object.DeepCopyObject().(client.Object), client.DryRunAll).Denied(); !denied {
			return fmt.Errorf("it is not enforced")
		}
		return nil
	})
	manifest, err := jsonOf(w.object)
	must(t, err)
	manifest = strings.Replace(manifest, `{"metadata":{`, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{`, 1)
	c, err := cluster.Alice.REST(appsv1.SchemeGroupVersion)
	must(t, err)
	for what, body := range map[string]string{
		"managed fields": strings.Replace(manifest, `"metadata":{`, `"metadata":{"managedFields":[{"manager":"x","operation":"Update","apiVersion":"apps/v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{},"f:spec":{}}}],`, 1),
		"an image":       strings.Replace(manifest, `"image":`, `"image":"`+goodImage+`","image":`, 1),
		"containers":     strings.Replace(manifest, `"containers":`, `"Containers":[],"containers":`, 1),
		"not UTF-8":      strings.Replace(manifest, `"metadata":{`, `"metadata":{"annotations":{"x":"`+"\xff"+`"},`, 1),
	} {
		err := c.Post().Namespace(namespace).Resource("deployments").Param("fieldValidation", "Ignore").SetHeader("Content-Type", "application/json").
			Body([]byte(body)).Do(t.Context()).Error()
		if err == nil {
			t.Errorf("%s: it was admitted", what)
		}
	}
}

// A controller's own revision is recorded and never denied, whatever an existing one contains.
func TestAmbiguousDataOfBeforeHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	namespace := lateNamespace(t, "ambiguous")
	w := workloads(t, namespace)["StatefulSet"]
	admit(t, "a StatefulSet", cluster.Alice.Create(t.Context(), w.object))
	running(t, namespace, "statefulset", badImage, 1)
	template, err := jsonOf(w.template)
	must(t, err)
	template = strings.Replace(template, `"image":`, `"image":"`+goodImage+`","image":`, 1)
	must(t, postRevision(t, cluster.Admin, namespace, rawRevision(t, w.object, "StatefulSet", "statefulset-old", `{"spec":{"template":`+template+`}}`)))
	enforceLate(t, lateGuardrail(t, "ambiguous"), namespace)
	old := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "statefulset-old"}}
	for what, change := range map[string]string{
		"a label": `{"metadata":{"labels":{"more":"labels"}}}`, "a number": `{"revision":9}`,
		"a finalizer": `{"metadata":{"finalizers":["test.taffrail.dev/wait"]}}`, "none": `{"metadata":{"finalizers":null}}`,
	} {
		admit(t, what, cluster.Admin.Patch(t.Context(), old.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(change))))
	}
	three := int32(3)
	set := w.object.(*appsv1.StatefulSet)
	admit(t, "scaling", cluster.Alice.Patch(t.Context(), set, changed(set, func() { set.Spec.Replicas = &three })))
	running(t, namespace, "statefulset", badImage, 3)
}
