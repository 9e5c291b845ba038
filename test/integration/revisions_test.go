package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// revisionOf returns a ControllerRevision that claims to be owned by a workload.
func revisionOf(t *testing.T, owner client.Object, kind, name string, data any) *appsv1.ControllerRevision {
	t.Helper()
	raw, err := json.Marshal(data)
	must(t, err)
	return &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.GetNamespace(), Name: name, Labels: map[string]string{"app": owner.GetName()},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind(kind))},
		},
		Data: runtime.RawExtension{Raw: raw}, Revision: 7,
	}
}

// patchTo returns the data of a revision as the controllers write it: it replaces the template of a workload.
func patchTo(t *testing.T, template any) map[string]any {
	t.Helper()
	encoded, err := json.Marshal(template)
	must(t, err)
	var whole map[string]any
	must(t, json.Unmarshal(encoded, &whole))
	whole["$patch"] = "replace"
	return map[string]any{"spec": map[string]any{"template": whole}}
}

// A revision not written by a controller contains a template that was never decided.
func TestAForgedControllerRevisionIsDenied(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "forged-revision", enforced)
	for _, kind := range []string{"DaemonSet", "StatefulSet"} {
		w := workloads(t, namespace)[kind]
		w.template.Spec.Containers[0].Image = goodImage
		admit(t, kind, cluster.Alice.Create(t.Context(), w.object))
		bad := w.template.DeepCopy()
		bad.Spec.Containers[0].Image = badImage
		forged := revisionOf(t, w.object, kind, strings.ToLower(kind)+"-forged", patchTo(t, bad))

		// No built-in role permits this, so Admin stands for a user with more permissions than Alice.
		words := deny(t, kind, cluster.Admin.Create(t.Context(), forged.DeepCopy()))
		for _, want := range []string{
			fmt.Sprintf("ControllerRevision %s/%s is denied by 1 policy:\n", namespace, forged.Name),
			`- image-tag, container "backend-app"`, "field:  data.spec.template.spec.containers[0].image\n",
		} {
			if !strings.Contains(words, want) {
				t.Errorf("%q is not in:\n%s", want, words)
			}
		}

		orphan := forged.DeepCopy()
		orphan.OwnerReferences = nil
		deny(t, "one to be adopted", cluster.Admin.Create(t.Context(), orphan))
		other := forged.DeepCopy()
		other.OwnerReferences[0].APIVersion, other.OwnerReferences[0].Kind = "example.com/v1", "Machine"
		deny(t, "one that hides its owner behind another kind", cluster.Admin.Create(t.Context(), other))
		partly := revisionOf(t, w.object, kind, "partly", patchTo(t, map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": "backend-app", "image": badImage}},
		}}))
		deny(t, "one that patches an image", cluster.Admin.Create(t.Context(), partly))

		good := revisionOf(t, w.object, kind, strings.ToLower(kind)+"-good", patchTo(t, w.template))
		if answer := admit(t, "one that breaks nothing", cluster.Admin.Create(t.Context(), good)); len(answer.Warnings) > 0 {
			t.Errorf("%s: warnings %q", kind, answer.Warnings)
		}
	}
}

// Revisions of controllers that are not built in are not decided.
func TestARevisionThatIsNoPodTemplateIsNotDecided(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "other-revision", enforced)
	owner := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "x", UID: "no-uid"}}
	for name, data := range map[string]any{
		"no-spec": map[string]any{"anything": 1}, "no-template": map[string]any{"spec": map[string]any{"template": "text"}},
		"other-containers": patchTo(t, map[string]any{"spec": map[string]any{"containers": map[string]any{"main": map[string]any{"image": "x"}}}}),
		"virtual-machine":  patchTo(t, map[string]any{"spec": map[string]any{"domain": map[string]any{}, "terminationGracePeriodSeconds": 0}}),
	} {
		revision := revisionOf(t, owner, "DaemonSet", name, data)
		if name == "virtual-machine" {
			revision.OwnerReferences[0].APIVersion, revision.OwnerReferences[0].Kind = "kubevirt.io/v1", "VirtualMachine"
		}
		if answer := admit(t, name, cluster.Admin.Create(t.Context(), revision, client.DryRunAll)); len(answer.Warnings) > 0 {
			t.Errorf("%s: warnings %q", name, answer.Warnings)
		}
	}
}

// The controllers record the existing templates, and continue to.
func TestControllersMayWriteViolatingRevisions(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			name := lateName("revisions", existing)
			namespace := lateNamespace(t, name)
			newNode(t, namespace)
			all := workloads(t, namespace)
			delete(all, "Deployment")
			for _, w := range all {
				roll(t, w)
			}
			g := lateWith(t, name, existing)
			enforceLate(t, g, namespace)
			recorded := func(kind, verb string) {
				user := map[string]string{"StatefulSet": "statefulset-controller", "DaemonSet": "daemon-set-controller"}[kind]
				event, err := cluster.Audited(t.Context(), user+" to "+verb+" a revision", func(e *harness.AuditEvent) bool {
					return e.User.Username == "system:serviceaccount:kube-system:"+user && e.Verb == verb &&
						e.ObjectRef.Resource == "controllerrevisions" && e.ObjectRef.Namespace == namespace && len(ours(e)) > 0 &&
						e.ResponseStatus.Code != http.StatusConflict // it retries after a conflict
				})
				must(t, err)
				want := "audit, recorded, required by Guardrail " + g.Name + ": backend-app: "
				if note := ours(event)["validate.taffrail.dev/image-tag"]; event.ResponseStatus.Code >= 300 || !strings.HasPrefix(note, want) {
					t.Errorf("%s: answered with %d, image-tag is %q", user, event.ResponseStatus.Code, note)
				}
			}
			for kind, w := range all {
				// The existing revision gets a new number.
				admit(t, kind, cluster.Alice.Patch(t.Context(), w.object, toTemplate(t, w.revision(t))))
				recorded(kind, "update")
				running(t, namespace, w.object.GetName(), badImage, w.pods)
			}
			// A revision that was deleted is created again.
			must(t, cluster.Admin.Client.DeleteAllOf(t.Context(), &appsv1.ControllerRevision{}, client.InNamespace(namespace)))
			admit(t, "scaling", scale(t, all["StatefulSet"].object, 2))
			for kind := range all {
				recorded(kind, "create")
			}
		})
	}
}
