package integration

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// Objects that the controllers create from a template are recognized by the controllers' user names. The same
// objects created by hand are decided, whatever owners they claim.
func TestAUsersOwnWorkloadsAreDecided(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "own", enforced)
	w := workloads(t, namespace)["Deployment"]
	w.template.Spec.Containers[0].Image = goodImage
	admit(t, "a Deployment", cluster.Alice.Create(t.Context(), w.object))
	template := w.template.DeepCopy()
	template.Spec.Containers[0].Image = badImage
	owned := func(name string, owner *metav1.OwnerReference, annotations map[string]string) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: template.Labels, Annotations: annotations}
		if owner != nil {
			m.OwnerReferences = []metav1.OwnerReference{*owner}
		}
		return m
	}
	deployment := metav1.NewControllerRef(w.object, appsv1.SchemeGroupVersion.WithKind("Deployment"))
	deployment.BlockOwnerDeletion = nil
	replicaSet := &metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "deployment-1", UID: "some-uid", Controller: new(true)}
	cronJob := &metav1.OwnerReference{APIVersion: "batch/v1", Kind: "CronJob", Name: "nightly", UID: "some-uid", Controller: new(true)}
	node := &metav1.OwnerReference{APIVersion: "v1", Kind: "Node", Name: "alice", UID: "some-uid", Controller: new(true)}
	selector := &metav1.LabelSelector{MatchLabels: template.Labels}
	once := *template.DeepCopy()
	once.Spec.RestartPolicy = corev1.RestartPolicyNever
	// A mirror Pod is on a node and refers to no other objects.
	alone := podOf(namespace, "", corev1.Container{Name: "main", Image: badImage}).Spec
	alone.NodeName = "alice"
	for what, object := range map[string]client.Object{
		"a ReplicaSet": &appsv1.ReplicaSet{ObjectMeta: owned("own", nil, nil), Spec: appsv1.ReplicaSetSpec{Selector: selector, Template: *template}},
		"a Deployment's ReplicaSet": &appsv1.ReplicaSet{
			ObjectMeta: owned("deployment-forged", deployment, map[string]string{"deployment.kubernetes.io/revision": "1"}),
			Spec:       appsv1.ReplicaSetSpec{Selector: selector, Template: *template},
		},
		"a ReplicationController": &corev1.ReplicationController{ObjectMeta: owned("own", nil, nil), Spec: corev1.ReplicationControllerSpec{Selector: template.Labels, Template: template}},
		"a Job":                   &batchv1.Job{ObjectMeta: owned("own", nil, nil), Spec: batchv1.JobSpec{Template: once}},
		"a CronJob's Job":         &batchv1.Job{ObjectMeta: owned("forged", cronJob, map[string]string{"cronjob.kubernetes.io/instantiate": "manual"}), Spec: batchv1.JobSpec{Template: once}},
		"a ReplicaSet's Pod":      &corev1.Pod{ObjectMeta: owned("deployment-forged", replicaSet, nil), Spec: template.Spec},
		"a mirror Pod":            &corev1.Pod{ObjectMeta: owned("mirror", node, map[string]string{corev1.MirrorPodAnnotationKey: "hash"}), Spec: alone},
	} {
		if words := deny(t, what, cluster.Alice.Create(t.Context(), object, client.DryRunAll)); !strings.Contains(words, "- image-tag, ") {
			t.Errorf("%s: denied for:\n%s", what, words)
		}
	}
}

// A static Pod runs in any case: the mirror Pod that its kubelet creates is recorded, and not changed.
func TestMirrorPodsAreRecorded(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "mirror", enforced)
	name := unique("mirror-node")
	// The API server recognizes a kubelet by this name; its permissions do not matter here.
	kubelet, err := cluster.NewUser("system:node:"+name, "system:nodes", "system:masters")
	must(t, err)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	must(t, cluster.Admin.Client.Create(t.Context(), node))
	mirror := func(owner string) *corev1.Pod {
		pod := podOf(namespace, "static-"+owner, corev1.Container{Name: "main", Image: badImage})
		pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash", "kubernetes.io/config.source": "file"}
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: owner, UID: node.UID, Controller: new(true)}}
		pod.Spec.NodeName = owner
		return pod
	}
	pod := mirror(name)
	answer := admit(t, "a mirror Pod", kubelet.Create(t.Context(), pod))
	want := "audit, recorded, required by Guardrail chapter: main: "
	if note := annotations(t, answer)["validate.taffrail.dev/image-tag"]; !strings.HasPrefix(note, want) {
		t.Errorf("the audit log says %q, want %q…", note, want)
	}
	if resources := pod.Spec.Containers[0].Resources; len(resources.Requests)+len(resources.Limits) > 0 {
		t.Errorf("it was given resources: %+v", resources)
	}
	deny(t, "another node's", kubelet.Create(t.Context(), mirror("another")))
}

// Operators that create Pods themselves are denied like anyone else, unless they are trusted writers.
func TestTrustedWritersAreRecorded(t *testing.T) {
	t.Parallel()
	namespace := lateNamespace(t, "trusted")
	g := lateGuardrail(t, "trusted")
	g.Spec.TrustedWriters.Users, g.Spec.TrustedWriters.Groups = []string{"an-operator"}, []string{"add-ons"}
	enforceLate(t, g, namespace)
	for name, test := range map[string]struct {
		group  string
		denied bool
	}{
		"an-operator": {"people", false}, "an-add-on": {"add-ons", false}, "another-operator": {"people", true},
	} {
		user, err := cluster.NewUser(name, "system:masters", test.group)
		must(t, err)
		pod := podOf(namespace, name, corev1.Container{Name: "main", Image: badImage})
		answer := user.Create(t.Context(), pod)
		if test.denied {
			deny(t, name, answer)
			continue
		}
		want := "audit, recorded, required by Guardrail " + g.Name
		if note := annotations(t, admit(t, name, answer))["validate.taffrail.dev/image-tag"]; !strings.HasPrefix(note, want) || len(answer.Warnings) > 0 {
			t.Errorf("%s: the audit log says %q, want %q…; warnings %q", name, note, want, answer.Warnings)
		}
	}
}

// A StatefulSet that predates the Guardrail gets its claims, and they are bound.
func TestControllersMayMakeAndBindViolatingClaims(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			name := lateName("claims-late", existing)
			namespace := lateNamespace(t, name)
			w := workloads(t, namespace)["StatefulSet"]
			set := w.object.(*appsv1.StatefulSet)
			size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
			class := "gp3"
			set.Spec.Replicas = new(int32)
			set.Spec.Template.Spec.Containers[0].Image = goodImage
			set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "data"},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}, StorageClassName: &class,
					Resources: corev1.VolumeResourceRequirements{Requests: size},
				},
			}}
			admit(t, "a StatefulSet", cluster.Alice.Create(t.Context(), set))
			g := lateWith(t, name, existing)
			enforcing(t, g, "volume-access")
			enforceLate(t, g, namespace)

			claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "data-statefulset-0"}}
			byHand := claim.DeepCopy()
			byHand.Spec = set.Spec.VolumeClaimTemplates[0].Spec
			if words := deny(t, "the same by hand", cluster.Alice.Create(t.Context(), byHand)); !strings.Contains(words, "- volume-access") {
				t.Errorf("denied for:\n%s", words)
			}
			admit(t, "scaling", scale(t, set, 1))
			running(t, namespace, "statefulset", goodImage, 1)

			volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: unique(namespace)}}
			volume.Spec = corev1.PersistentVolumeSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}, StorageClassName: class, Capacity: size,
				ClaimRef:               &corev1.ObjectReference{Namespace: namespace, Name: claim.Name},
				PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}},
			}
			must(t, cluster.Admin.Client.Create(t.Context(), volume))
			eventually(t, "the claim to be bound", func(ctx context.Context) error {
				if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(claim), claim); err != nil {
					return err
				}
				if claim.Status.Phase != corev1.ClaimBound {
					return fmt.Errorf("it is %s", claim.Status.Phase)
				}
				return nil
			})
			for _, by := range []struct{ user, verb string }{{"statefulset-controller", "create"}, {"persistent-volume-binder", "update"}} {
				event, err := cluster.Audited(t.Context(), by.user, func(e *harness.AuditEvent) bool {
					return e.User.Username == "system:serviceaccount:kube-system:"+by.user && e.Verb == by.verb && e.ObjectRef.Subresource == "" &&
						e.ObjectRef.Resource == "persistentvolumeclaims" && e.ObjectRef.Namespace == namespace && len(ours(e)) > 0 &&
						e.ResponseStatus.Code != http.StatusConflict // it retries after a conflict
				})
				must(t, err)
				if note := ours(event)["services.validate.taffrail.dev/volume-access"]; event.ResponseStatus.Code >= 300 || !strings.HasPrefix(note, "audit, recorded, ") {
					t.Errorf("%s: answered with %d, volume-access is %q", by.user, event.ResponseStatus.Code, note)
				}
			}
		})
	}
}

// scale does what `kubectl scale` does.
func scale(t *testing.T, object client.Object, replicas int32) *harness.Answer {
	t.Helper()
	body := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	return cluster.Alice.UpdateSubresource(t.Context(), "scale", object, body)
}

// /scale has no template, and status belongs to the controllers, so neither is sent.
func TestScaleAndStatusAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, existing := range existings {
		t.Run(string(existing), func(t *testing.T) {
			t.Parallel()
			name := lateName("scale", existing)
			namespace := lateNamespace(t, name)
			w := workloads(t, namespace)["Deployment"]
			admit(t, "a Deployment", cluster.Alice.Create(t.Context(), w.object))
			g := lateWith(t, name, existing)
			enforcing(t, g, "min-replicas")
			enforceLate(t, g, namespace)

			answer := admit(t, "kubectl scale", scale(t, w.object, 1))
			if notes := annotations(t, answer); len(notes) > 0 || len(answer.Warnings) > 0 {
				t.Errorf("Taffrail was asked: %v, %q", notes, answer.Warnings)
			}
			running(t, namespace, "deployment", badImage, 1)

			pod := podsOf(t, namespace, "app", "deployment", 1)[0]
			for what, patch := range map[client.Object]string{
				w.object: `{"status":{"conditions":[{"type":"Test","status":"True"}]}}`,
				&pod:     `{"status":{"conditions":[{"type":"Test","status":"True"}]}}`,
			} {
				answer := admit(t, "a status", cluster.Admin.PatchStatus(t.Context(), what, client.RawPatch("application/merge-patch+json", []byte(patch))))
				if notes := annotations(t, answer); len(notes) > 0 || len(answer.Warnings) > 0 {
					t.Errorf("Taffrail was asked: %v, %q", notes, answer.Warnings)
				}
			}
		})
	}
}
