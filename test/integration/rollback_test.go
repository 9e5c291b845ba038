package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// The image of workloads that violate only image-tag, and that of workloads that violate nothing.
const (
	badImage  = "registry.example/backend"
	goodImage = "registry.example/backend:1.0.0"
)

// existings has both values of existing. Neither may block on-call engineers or controllers.
var existings = []v1alpha1.Existing{v1alpha1.ExistingTolerate, v1alpha1.ExistingEnforce}

// lateName returns the name of the namespace and the Guardrail for a test under one value of existing.
func lateName(name string, existing v1alpha1.Existing) string {
	return name + "-" + strings.ToLower(string(existing))
}

func lateWith(t *testing.T, name string, existing v1alpha1.Existing) *v1alpha1.Guardrail {
	t.Helper()
	g := lateGuardrail(t, name)
	g.Spec.Existing = existing
	return g
}

func lateNamespace(t *testing.T, name string) string {
	t.Helper()
	return newNamespace(t, name, "test.taffrail.dev/late="+name)
}

// workload is a workload of a kind with revisions.
type workload struct {
	object   client.Object
	template *corev1.PodTemplateSpec
	pods     int
	// revision returns the template of the oldest revision, as a rollback would produce it.
	revision func(t *testing.T) any
}

// workloads creates a Deployment, a StatefulSet and a DaemonSet whose Pods run the bad image.
func workloads(t *testing.T, namespace string) map[string]workload {
	t.Helper()
	named := func(name string) (metav1.ObjectMeta, *metav1.LabelSelector, corev1.PodTemplateSpec) {
		template := *backend(t, namespace, 1, injected).Spec.Template.DeepCopy()
		template.Labels = map[string]string{"app": name}
		template.Spec.Containers[0].Image = badImage
		return metav1.ObjectMeta{Namespace: namespace, Name: name}, &metav1.LabelSelector{MatchLabels: template.Labels}, template
	}
	two, one := int32(2), int32(1)
	deployment, set, daemons := &appsv1.Deployment{}, &appsv1.StatefulSet{}, &appsv1.DaemonSet{}
	deployment.ObjectMeta, deployment.Spec.Selector, deployment.Spec.Template = named("deployment")
	// A rolling update would wait for Pods to become ready, which no kubelet here makes them.
	deployment.Spec.Replicas, deployment.Spec.Strategy.Type = &two, appsv1.RecreateDeploymentStrategyType
	set.ObjectMeta, set.Spec.Selector, set.Spec.Template = named("statefulset")
	set.Spec.Replicas, set.Spec.PodManagementPolicy = &one, appsv1.ParallelPodManagement
	daemons.ObjectMeta, daemons.Spec.Selector, daemons.Spec.Template = named("daemonset")
	daemons.Spec.Template.Spec.NodeSelector = map[string]string{"test.taffrail.dev/of": namespace}
	return map[string]workload{
		"Deployment":  {deployment, &deployment.Spec.Template, 2, func(t *testing.T) any { return replicaSetTemplate(t, deployment) }},
		"StatefulSet": {set, &set.Spec.Template, 1, func(t *testing.T) any { return revisionTemplate(t, set) }},
		"DaemonSet":   {daemons, &daemons.Spec.Template, 1, func(t *testing.T) any { return revisionTemplate(t, daemons) }},
	}
}

// replicaSetTemplate returns what `kubectl rollout undo` reads from a Deployment's first ReplicaSet.
func replicaSetTemplate(t *testing.T, deployment client.Object) any {
	t.Helper()
	var list appsv1.ReplicaSetList
	must(t, cluster.Admin.Client.List(t.Context(), &list, client.InNamespace(deployment.GetNamespace())))
	for _, set := range list.Items {
		if metav1.IsControlledBy(&set, deployment) && set.Spec.Template.Spec.Containers[0].Image == badImage {
			delete(set.Spec.Template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
			return set.Spec.Template
		}
	}
	t.Fatal("there is no ReplicaSet with the first template")
	return nil
}

// revisionTemplate returns the template in the first ControllerRevision.
func revisionTemplate(t *testing.T, owner client.Object) any {
	t.Helper()
	var list appsv1.ControllerRevisionList
	must(t, cluster.Admin.Client.List(t.Context(), &list, client.InNamespace(owner.GetNamespace())))
	for _, revision := range list.Items {
		if !metav1.IsControlledBy(&revision, owner) || !strings.Contains(string(revision.Data.Raw), `"`+badImage+`"`) {
			continue
		}
		var data struct {
			Spec struct {
				Template map[string]any `json:"template"`
			} `json:"spec"`
		}
		must(t, json.Unmarshal(revision.Data.Raw, &data))
		delete(data.Spec.Template, "$patch")
		return data.Spec.Template
	}
	t.Fatal("there is no ControllerRevision with the first template")
	return nil
}

// toTemplate replaces a template, as `kubectl rollout undo` does.
func toTemplate(t *testing.T, template any) client.Patch {
	t.Helper()
	patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/template", "value": template}})
	must(t, err)
	return client.RawPatch(types.JSONPatchType, patch)
}

// running waits until an app has n Pods, all of them with the given image.
func running(t *testing.T, namespace, app, image string, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d Pods of %s in %s with %s", n, app, namespace, image), func(ctx context.Context) error {
		var list corev1.PodList
		if err := cluster.Admin.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{"app": app}); err != nil {
			return err
		}
		with := 0
		for _, pod := range list.Items {
			if pod.Spec.Containers[0].Image == image {
				with++
			}
		}
		if with != n || len(list.Items) != n {
			return fmt.Errorf("there are %d of %d", with, len(list.Items))
		}
		return nil
	})
}

// roll creates the workload, and rolls out an image that violates nothing.
func roll(t *testing.T, w workload) {
	t.Helper()
	name := w.object.GetName()
	admit(t, name, cluster.Alice.Create(t.Context(), w.object))
	running(t, w.object.GetNamespace(), name, badImage, w.pods)
	admit(t, name, cluster.Alice.Patch(t.Context(), w.object, changed(w.object, func() { w.template.Spec.Containers[0].Image = goodImage })))
	running(t, w.object.GetNamespace(), name, goodImage, w.pods)
}

func newNode(t *testing.T, of string) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: unique("node-" + of), Labels: map[string]string{"test.taffrail.dev/of": of}}}
	must(t, cluster.Admin.Client.Create(t.Context(), node))
}

// wantFrom requires the warning that names the source of a tolerated template.
func wantFrom(t *testing.T, what string, answer *harness.Answer, from string) {
	t.Helper()
	for _, warning := range answer.Warnings {
		if strings.HasPrefix(warning, "image-tag, ") && strings.Contains(warning, ": tolerated: ") {
			note := annotations(t, answer)["validate.taffrail.dev/image-tag"]
			if want := "enforce, tolerated (as in " + from; !strings.HasPrefix(note, want) {
				t.Errorf("%s: the audit log says %q, want %q…", what, note, want)
			}
			return
		}
	}
	t.Errorf("%s: no warning says that the image is tolerated: %q", what, answer.Warnings)
}

// An engineer on call can roll back to what ran before, even if a newer Guardrail would deny it.
func TestRollbackToAViolatingRevisionIsTolerated(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			name := lateName("rollback", existing)
			namespace := lateNamespace(t, name)
			newNode(t, namespace)
			all := workloads(t, namespace)
			for _, w := range all {
				roll(t, w)
			}
			enforceLate(t, lateWith(t, name, existing), namespace)
			for kind, w := range all {
				// A template that no revision has is denied, however similar it is.
				alike := changed(w.object, func() {
					w.template.Spec.Containers[0].Image = badImage
					w.template.Spec.Containers[0].Env = append(w.template.Spec.Containers[0].Env, corev1.EnvVar{Name: "MORE", Value: "1"})
				})
				denied := w.object.DeepCopyObject().(client.Object)
				if words := deny(t, "an alike "+kind, cluster.Alice.Patch(t.Context(), denied, alike, client.DryRunAll)); !strings.Contains(words, "image-tag") {
					t.Errorf("denied for:\n%s", words)
				}
				must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(w.object), w.object))

				answer := admit(t, kind, cluster.Alice.Patch(t.Context(), w.object, toTemplate(t, w.revision(t))))
				from := "ControllerRevision " + w.object.GetName() + "-"
				if kind == "Deployment" {
					from = "ReplicaSet " + w.object.GetName() + "-"
				}
				wantFrom(t, kind, answer, from)
				running(t, namespace, w.object.GetName(), badImage, w.pods)
			}
		})
	}
}

// A rollback restores the template and nothing else.
func TestARollbackExcusesNothingElse(t *testing.T) {
	t.Parallel()
	namespace := lateNamespace(t, "rollback-more")
	w := workloads(t, namespace)["Deployment"]
	roll(t, w)
	enforceLate(t, lateGuardrail(t, "rollback-more"), namespace)
	patch, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/spec/template", "value": w.revision(t)},
		{"op": "replace", "path": "/spec/revisionHistoryLimit", "value": 0},
	})
	must(t, err)
	answer := cluster.Alice.Patch(t.Context(), w.object, client.RawPatch(types.JSONPatchType, patch))
	words := deny(t, "a rollback without a history", answer)
	if !strings.Contains(words, "- rollback-history") || strings.Contains(words, "- image-tag") {
		t.Errorf("denied for:\n%s", words)
	}
	wantFrom(t, "a rollback without a history", answer, "ReplicaSet deployment-")
}

// The deployment controller can roll back on its own, and does not reconcile the Deployment until it has.
func TestTheControllersOwnRollbackIsNeverDenied(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			name := lateName("rollback-annotation", existing)
			namespace := lateNamespace(t, name)
			w := workloads(t, namespace)["Deployment"]
			roll(t, w)
			g := lateWith(t, name, existing)
			enforceLate(t, g, namespace)
			back := changed(w.object, func() {
				w.object.SetAnnotations(map[string]string{appsv1.DeprecatedRollbackTo: "1"})
			})
			admit(t, "asking for a rollback", cluster.Alice.Patch(t.Context(), w.object, back))
			running(t, namespace, "deployment", badImage, w.pods)
			event, err := cluster.Audited(t.Context(), "the rollback", func(e *harness.AuditEvent) bool {
				return e.User.Username == "system:serviceaccount:kube-system:deployment-controller" && e.Verb == "update" &&
					e.ObjectRef.Resource == "deployments" && e.ObjectRef.Namespace == namespace && ours(e)["validate.taffrail.dev/image-tag"] != "" &&
					e.ResponseStatus.Code != http.StatusConflict // it retries after a conflict
			})
			must(t, err)
			want := "audit, recorded, required by Guardrail " + g.Name
			if note := ours(event)["validate.taffrail.dev/image-tag"]; event.ResponseStatus.Code != 200 || !strings.HasPrefix(note, want) {
				t.Errorf("answered with %d, %q", event.ResponseStatus.Code, note)
			}
		})
	}
}

// A Deployment that is deleted with --cascade=orphan and created again adopts its ReplicaSet, and can be rolled
// back to it.
func TestAnOrphanedReplicaSetIsAdopted(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			name := lateName("orphan", existing)
			namespace := lateNamespace(t, name)
			w := workloads(t, namespace)["Deployment"]
			admit(t, "a Deployment", cluster.Alice.Create(t.Context(), w.object))
			running(t, namespace, "deployment", badImage, w.pods)
			enforceLate(t, lateWith(t, name, existing), namespace)

			admit(t, "deleting it", cluster.Alice.Delete(t.Context(), w.object, client.PropagationPolicy(metav1.DeletePropagationOrphan)))
			eventually(t, "the Deployment to be gone", func(ctx context.Context) error {
				if there, err := cluster.Exists(ctx, w.object); err != nil || there {
					return fmt.Errorf("it is there: %w", err)
				}
				return nil
			})
			running(t, namespace, "deployment", badImage, w.pods)

			again := workloads(t, namespace)["Deployment"]
			deny(t, "the same again", cluster.Alice.Create(t.Context(), again.object))
			again.template.Spec.Containers[0].Image = goodImage
			admit(t, "a better one", cluster.Alice.Create(t.Context(), again.object))
			running(t, namespace, "deployment", goodImage, again.pods)
			wantFrom(t, "going back", admit(t, "going back",
				cluster.Alice.Patch(t.Context(), again.object, toTemplate(t, again.revision(t)))), "ReplicaSet deployment-")
			running(t, namespace, "deployment", badImage, again.pods)
		})
	}
}
