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
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// taggedIn returns a user's Policy that requires images with a version, in objects of some kinds.
func taggedIn(t *testing.T, name string, kinds ...string) string {
	t.Helper()
	p := ownPolicy(unique(name), `deny contains {"msg": "no tag", "path": concat("", [c.path, ".image"]), "container": c.name, "key": c.spec.image} if {
	some c in input.containers
	c.image.tag == ""
}`)
	p.Spec.Rego = strings.Replace(p.Spec.Rego, "[ConfigMap]", "["+strings.Join(kinds, ", ")+"]\n#   complete_kinds: false", 1)
	if condition := putPolicy(t, p); condition.Status != metav1.ConditionTrue {
		t.Fatalf("%+v", condition)
	}
	return p.Name
}

// forging creates a namespace with one Guardrail that enforces policies, and tolerates existing violations or
// not.
func forging(t *testing.T, name string, existing v1alpha1.Existing, trusted []string, policies ...string) string {
	t.Helper()
	name = lateName(name, existing)
	namespace := newNamespace(t, name, "test.taffrail.dev/own="+name)
	g := binding(unique("forging-"+name), name, policies...)
	g.Spec.Existing = existing
	g.Spec.TrustedWriters = v1alpha1.TrustedWriters{Users: trusted}
	putGuardrail(t, g)
	return namespace
}

func awaitDenial(t *testing.T, what string, try func() *harness.Answer) {
	t.Helper()
	eventually(t, what, func(context.Context) error {
		answer := try()
		if _, denied := answer.Denied(); !denied {
			return fmt.Errorf("got %w", answer.Err)
		}
		return nil
	})
}

// goodWorkload creates a workload whose image violates nothing.
func goodWorkload(t *testing.T, namespace, kind string) workload {
	t.Helper()
	w := workloads(t, namespace)[kind]
	w.template.Spec.Containers[0].Image = goodImage
	admit(t, kind, cluster.Alice.Create(t.Context(), w.object))
	// Wait until the cluster has defaulted it, so that nothing else differs.
	running(t, namespace, w.object.GetName(), goodImage, w.pods)
	must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(w.object), w.object))
	return w
}

// replicaSetOf returns a ReplicaSet as the deployment controller would create it.
func replicaSetOf(w workload, name, image string) *appsv1.ReplicaSet {
	none := int32(0)
	template := *w.template.DeepCopy()
	hash := name[strings.LastIndex(name, "-")+1:]
	template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	template.Spec.Containers[0].Image = image
	owner := metav1.NewControllerRef(w.object, appsv1.SchemeGroupVersion.WithKind("Deployment"))
	owner.BlockOwnerDeletion = nil
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.object.GetNamespace(), Name: name, Labels: template.Labels, OwnerReferences: []metav1.OwnerReference{*owner},
			Annotations: map[string]string{"deployment.kubernetes.io/revision": "7"},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: template.Labels}, Template: template},
	}
}

// toBad restores the bad image in a workload, as a rollback would.
func toBad(t *testing.T, w workload) *harness.Answer {
	t.Helper()
	must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(w.object), w.object))
	template := *w.template.DeepCopy()
	template.Spec.Containers[0].Image = badImage
	return cluster.Alice.Patch(t.Context(), w.object, toTemplate(t, template), client.DryRunAll)
}

// adopted waits until a workload controls an object.
func adopted(t *testing.T, w workload, object client.Object) {
	t.Helper()
	eventually(t, "adopting "+object.GetName(), func(ctx context.Context) error {
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		if !metav1.IsControlledBy(object, w.object) {
			return fmt.Errorf("it has %v", object.GetOwnerReferences())
		}
		return nil
	})
}

// A ReplicaSet that anyone could have written is not a revision that was decided: a Deployment cannot be rolled
// back to it, whatever excused the ReplicaSet.
func TestAForgedReplicaSetRestoresNothing(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			deploymentsOnly := taggedIn(t, "forged-"+strings.ToLower(string(existing)), "Deployment.apps")
			for name, policy := range map[string]string{"about-deployments": deploymentsOnly, "about-all": "image-tag"} {
				namespace := forging(t, "forged-"+name, existing, []string{"admin"}, policy)
				e := nginxExemption("forged", namespace, time.Now().Add(time.Hour))
				e.Spec.Policies, e.Spec.Kinds, e.Spec.Names, e.Spec.Containers = []string{policy}, nil, []string{"batch-*", "deployment-x*"}, nil
				putExemption(t, e)
				w := goodWorkload(t, namespace, "Deployment")
				awaitDenial(t, "enforcement in "+namespace, func() *harness.Answer { return toBad(t, w) })

				// The forger may be Alice, who has edit rights, or a trusted writer.
				for user, forger := range map[string]*harness.User{"alice": cluster.Alice, "trusted": cluster.Admin} {
					for what, forge := range map[string]func(set *appsv1.ReplicaSet) *appsv1.ReplicaSet{
						"b1": func(set *appsv1.ReplicaSet) *appsv1.ReplicaSet { return set },
						"b2": func(set *appsv1.ReplicaSet) *appsv1.ReplicaSet { set.OwnerReferences = nil; return set },
						"b3": func(set *appsv1.ReplicaSet) *appsv1.ReplicaSet {
							set.Name = "batch-" + user + "-b3"
							return set
						},
						"b4": func(set *appsv1.ReplicaSet) *appsv1.ReplicaSet {
							delete(set.Labels, appsv1.DefaultDeploymentUniqueLabelKey) // from all three places
							set.Labels["more"], set.OwnerReferences = "b4", nil
							return set
						},
						"xb5": func(set *appsv1.ReplicaSet) *appsv1.ReplicaSet { // its name is exempt as a ReplicaSet's and as a Deployment's
							return set
						},
					} {
						set := forge(replicaSetOf(w, "deployment-"+what+user[:1], badImage))
						answer := forger.Create(t.Context(), set)
						if _, denied := answer.Denied(); denied {
							continue
						}
						admit(t, name+" "+what, answer)
						adopted(t, w, set)
						words := deny(t, name+": rolling back to what "+user+" forged as "+what, toBad(t, w))
						if !strings.Contains(words, policy) {
							t.Errorf("denied for:\n%s", words)
						}
						must(t, cluster.Admin.Client.Delete(t.Context(), set))
					}
				}

				// A revision that was harmless when it was written cannot be turned into one either.
				later := replicaSetOf(w, "deployment-later", goodImage)
				later.Spec.Template.Annotations = map[string]string{"a": "harmless"}
				admit(t, "a harmless ReplicaSet", cluster.Alice.Create(t.Context(), later))
				answer := cluster.Alice.Patch(t.Context(), later, changed(later, func() {
					later.Spec.Template.Spec.Containers[0].Image, later.Spec.Template.Annotations = badImage, nil
				}))
				deny(t, name+": changing its template", answer)

				// Everything but its template may change.
				must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(later), later))
				admit(t, "a label", cluster.Alice.Patch(t.Context(), later, changed(later, func() { later.Labels["more"] = "labels" })))
				admit(t, "no owner", cluster.Alice.Patch(t.Context(), later, changed(later, func() { later.OwnerReferences = nil })))
			}
		})
	}
}

// The revisions of an exempt Deployment are valid for that Deployment only. If they are orphaned, any
// Deployment with the labels adopts them.
func TestTheRevisionOfAnExcusedDeploymentRestoresNoOther(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			namespace := forging(t, "excused", existing, nil, "image-tag")
			e := nginxExemption("excused", namespace, time.Now().Add(time.Hour))
			e.Spec.Policies, e.Spec.Names, e.Spec.Containers = []string{"image-tag"}, []string{"batch-*"}, nil
			putExemption(t, e)
			w := goodWorkload(t, namespace, "Deployment")
			awaitDenial(t, "enforcement", func() *harness.Answer { return toBad(t, w) })

			excused := workloads(t, namespace)["Deployment"]
			deployment := excused.object.(*appsv1.Deployment)
			deployment.Name = "batch-1"
			deployment.Spec.Template.Labels["batch"] = "1"
			deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"batch": "1"}}
			eventually(t, "the Exemption", func(ctx context.Context) error {
				return client.IgnoreAlreadyExists(cluster.Alice.Create(ctx, deployment).Err)
			})
			set := &appsv1.ReplicaSet{}
			eventually(t, "its ReplicaSet", func(ctx context.Context) error {
				var list appsv1.ReplicaSetList
				if err := cluster.Admin.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{"batch": "1"}); err != nil {
					return err
				}
				if len(list.Items) != 1 {
					return fmt.Errorf("there are %d", len(list.Items))
				}
				set = &list.Items[0]
				return nil
			})
			admit(t, "deleting it", cluster.Alice.Delete(t.Context(), deployment, client.PropagationPolicy(metav1.DeletePropagationOrphan)))
			adopted(t, w, set)

			must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(w.object), w.object))
			bad := *set.Spec.Template.DeepCopy()
			delete(bad.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
			deny(t, "rolling back to it", cluster.Alice.Patch(t.Context(), w.object, toTemplate(t, bad)))

			// The deployment controller cannot be made to do it either.
			admit(t, "a revision's number", cluster.Alice.Patch(t.Context(), set, changed(set, func() {
				set.Annotations["deployment.kubernetes.io/revision"] = "77"
			})))
			must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(w.object), w.object))
			admit(t, "asking for a rollback", cluster.Alice.Patch(t.Context(), w.object, changed(w.object, func() {
				w.object.SetAnnotations(map[string]string{appsv1.DeprecatedRollbackTo: "77"})
			})))
			event, err := cluster.Audited(t.Context(), "the controller's rollback", func(e *harness.AuditEvent) bool {
				return e.User.Username == "system:serviceaccount:kube-system:deployment-controller" && e.Verb == "update" &&
					e.ObjectRef.Resource == "deployments" && e.ObjectRef.Name == w.object.GetName() && e.ObjectRef.Namespace == namespace &&
					e.ObjectRef.Subresource == "" && ours(e)["validate.taffrail.dev/image-tag"] != "" &&
					e.ResponseStatus.Code != 409 // the controller retries after a conflict
			})
			must(t, err)
			if event.ResponseStatus.Code != 403 {
				t.Errorf("the rollback is answered with %d, %v", event.ResponseStatus.Code, ours(event))
			}
		})
	}
}

// A ReplicaSet created in place of the controller is tolerated if it has the template of its Deployment,
// because that was decided.
func TestAReplicaSetWithItsDeploymentsTemplateIsTolerated(t *testing.T) {
	t.Parallel()
	namespace := lateNamespace(t, "claim-same")
	w := workloads(t, namespace)["Deployment"]
	admit(t, "a Deployment", cluster.Alice.Create(t.Context(), w.object))
	running(t, namespace, "deployment", badImage, w.pods)
	must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(w.object), w.object))
	g := lateGuardrail(t, "claim-same")
	g.Spec.TrustedWriters = v1alpha1.TrustedWriters{Users: []string{"admin"}}
	enforceLate(t, g, namespace)
	answer := admit(t, "an operator's", cluster.Admin.Create(t.Context(), replicaSetOf(w, "deployment-op", badImage), client.DryRunAll))
	wantTolerated(t, "an operator's", answer)
	deny(t, "with another template", cluster.Admin.Create(t.Context(), replicaSetOf(w, "deployment-op", badImage+"2"), client.DryRunAll))
	deny(t, "under another name", cluster.Admin.Create(t.Context(), replicaSetOf(w, "another-op", badImage), client.DryRunAll))
}

// A ControllerRevision is decided for every kind that may use it, and cannot be exempt.
func TestAForgedControllerRevisionRestoresNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"StatefulSet", "DaemonSet"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			policy := taggedIn(t, "forged-"+strings.ToLower(kind), kind+".apps")
			namespace := forging(t, "revised-"+strings.ToLower(kind), v1alpha1.ExistingTolerate, []string{"trusted"}, policy)
			newNode(t, namespace)
			e := nginxExemption("revised", namespace, time.Now().Add(time.Hour))
			e.Spec.Policies, e.Spec.Kinds, e.Spec.Names, e.Spec.Containers = []string{policy}, nil, []string{"batch-*"}, nil
			putExemption(t, e)
			w := goodWorkload(t, namespace, kind)
			awaitDenial(t, "enforcement", func() *harness.Answer { return toBad(t, w) })
			bad := w.template.DeepCopy()
			bad.Spec.Containers[0].Image = badImage
			data := patchTo(t, bad)

			for _, name := range []string{"batch-1", w.object.GetName() + "-1"} {
				for _, owner := range []string{"StatefulSet", "DaemonSet"} {
					deny(t, name+" of a "+owner, cluster.Admin.Create(t.Context(), revisionOf(t, w.object, owner, name, data)))
				}
				orphan := revisionOf(t, w.object, kind, name, data)
				orphan.OwnerReferences = nil
				deny(t, name+" of nobody", cluster.Admin.Create(t.Context(), orphan))
				other := revisionOf(t, w.object, kind, name, data)
				other.OwnerReferences[0].APIVersion, other.OwnerReferences[0].Kind = "example.com/v1", "Machine"
				deny(t, name+" of another kind", cluster.Admin.Create(t.Context(), other))
			}
			trusted, err := cluster.NewUser("trusted-"+strings.ToLower(kind), "system:masters")
			must(t, err)
			g := &v1alpha1.Guardrail{}
			must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKey{Name: "forging-" + namespace}, g))
			g.Spec.TrustedWriters.Users = []string{trusted.Name}
			_, err = cluster.PutGuardrail(t.Context(), g)
			must(t, err)
			// Revisions of an operator's own kinds are not decided, until their owner changes.
			var own *appsv1.ControllerRevision
			eventually(t, "trust", func(ctx context.Context) error {
				own = revisionOf(t, w.object, kind, w.object.GetName()+"-2", data)
				own.OwnerReferences[0].APIVersion, own.OwnerReferences[0].Kind, own.OwnerReferences[0].UID = "example.com/v1", "Machine", "machine"
				return trusted.Create(ctx, own).Err
			})
			deny(t, "a trusted writer's", trusted.Create(t.Context(), revisionOf(t, w.object, kind, w.object.GetName()+"-3", data)))
			for what, rehome := range map[string]func(){
				"to the workload": func() {
					own.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(w.object, appsv1.SchemeGroupVersion.WithKind(kind))}
				},
				"to nobody":             func() { own.OwnerReferences = nil },
				"to hide it behind one": func() { own.OwnerReferences[0].UID = w.object.GetUID() },
			} {
				deny(t, "giving it "+what, cluster.Admin.Patch(t.Context(), own, changed(own, rehome), client.DryRunAll))
				must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own))
			}
			admit(t, "a label", cluster.Admin.Patch(t.Context(), own, changed(own, func() { own.Labels["more"] = "labels" })))
			deny(t, "rolling back", toBad(t, w))
		})
	}
}

// A Policy that did not decide a CronJob decides the Job created from it.
func TestAJobFromAnUndecidedCronJobIsDenied(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			jobsOnly := taggedIn(t, "jobs-"+strings.ToLower(string(existing)), "Job.batch")
			// It covers both kinds, but finds nothing in one of them.
			blind := ownPolicy(unique("blind-"+strings.ToLower(string(existing))), `deny contains {"msg": "no tag", "path": concat("", [c.path, ".image"]), "container": c.name} if {
	input.kind == "Job"
	some c in input.containers
	c.image.tag == ""
}`)
			blind.Spec.Rego = strings.Replace(blind.Spec.Rego, "[ConfigMap]", "[Job.batch, CronJob.batch]", 1)
			putPolicy(t, blind)
			for name, policy := range map[string]string{"jobs-only": jobsOnly, "blind": blind.Name, "exempted": "image-tag"} {
				namespace := forging(t, name, existing, nil, policy)
				e := nginxExemption("cronjobs", namespace, time.Now().Add(time.Hour))
				e.Spec.Policies, e.Spec.Kinds, e.Spec.Names, e.Spec.Containers = []string{policy}, []string{"CronJob"}, nil, nil
				if name == "exempted" {
					putExemption(t, e)
				}
				plain := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "plain"}, Spec: cronJob(t, namespace).Spec.JobTemplate.Spec}
				awaitDenial(t, "enforcement", func() *harness.Answer { return cluster.Alice.Create(t.Context(), plain.DeepCopy(), client.DryRunAll) })
				eventually(t, "the CronJob", func(ctx context.Context) error {
					return client.IgnoreAlreadyExists(cluster.Alice.Create(ctx, cronJob(t, namespace)).Err)
				})
				if words := deny(t, name, cluster.Alice.Create(t.Context(), jobFrom(t, namespace, "by-hand"))); !strings.Contains(words, policy) {
					t.Errorf("denied for:\n%s", words)
				}
			}
		})
	}
}

// An update that leaves the template unchanged is not a rollback: under existing: enforce it is decided like
// any other, for each kind with revisions. Fields that no policy depends on may change, and rollbacks are still
// recognized.
func TestATemplateThatStaysIsNotRestored(t *testing.T) {
	t.Parallel()
	namespace := lateNamespace(t, "stays")
	newNode(t, namespace)
	all := workloads(t, namespace)
	for name, w := range all {
		admit(t, name, cluster.Alice.Create(t.Context(), w.object))
		running(t, namespace, w.object.GetName(), badImage, w.pods)
	}
	enforceLate(t, lateWith(t, "stays", v1alpha1.ExistingEnforce), namespace)
	for kind, w := range all {
		update := func(change string) *harness.Answer {
			return cluster.Alice.Patch(t.Context(), w.object.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(change)))
		}
		if words := deny(t, kind, update(`{"spec":{"minReadySeconds":7}}`)); !strings.Contains(words, "- image-tag, ") {
			t.Errorf("%s: denied for:\n%s", kind, words)
		}
		admit(t, kind+" with a label", update(`{"metadata":{"labels":{"more":"labels"}}}`))
		admit(t, kind+" with an annotation", update(`{"metadata":{"annotations":{"more":"annotations"}}}`))
		admit(t, kind+" with a finalizer", update(`{"metadata":{"finalizers":["test.taffrail.dev/wait"]}}`))
		admit(t, kind+" without a finalizer", update(`{"metadata":{"finalizers":null}}`))
		admit(t, kind+" with a good image", update(`{"spec":{"minReadySeconds":7,"template":{"spec":{"containers":`+containersWith(t, w, goodImage)+`}}}}`))
	}
}

func containersWith(t *testing.T, w workload, image string) string {
	t.Helper()
	container := *w.template.Spec.Containers[0].DeepCopy()
	container.Image = image
	encoded, err := jsonOf([]corev1.Container{container})
	must(t, err)
	return encoded
}
