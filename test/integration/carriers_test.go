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
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

const (
	// byTemplate reads the Pod of any workload; byObject works only on a Pod itself.
	byTemplate = `deny contains {"msg": "the node's network is used", "path": concat(".", [input.workload.specPath, "hostNetwork"])} if input.workload.pod.spec.hostNetwork`
	byObject   = `deny contains {"msg": "the node's network is used", "path": "spec.hostNetwork"} if input.object.spec.hostNetwork`
)

// podPolicy returns a Policy about the given kinds.
func podPolicy(name, kinds, rules string) *v1alpha1.Policy {
	p := ownPolicy(name, rules)
	p.Spec.Rego = strings.Replace(p.Spec.Rego, "kinds: [ConfigMap]", "kinds: ["+kinds+"]", 1)
	return p
}

// carriers returns one object of each kind with a Pod template, with one Pod each.
func carriers(namespace string, change func(*corev1.PodSpec)) map[string]client.Object {
	one := int32(1)
	named := func(name string) (metav1.ObjectMeta, *metav1.LabelSelector, corev1.PodTemplateSpec) {
		template := corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: goodImage}}},
		}
		change(&template.Spec)
		return metav1.ObjectMeta{Namespace: namespace, Name: name}, &metav1.LabelSelector{MatchLabels: template.Labels}, template
	}
	deployment, set, daemons, replicaSet := &appsv1.Deployment{}, &appsv1.StatefulSet{}, &appsv1.DaemonSet{}, &appsv1.ReplicaSet{}
	controller, job, cronJob := &corev1.ReplicationController{}, &batchv1.Job{}, &batchv1.CronJob{}
	deployment.ObjectMeta, deployment.Spec.Selector, deployment.Spec.Template = named("deployment")
	set.ObjectMeta, set.Spec.Selector, set.Spec.Template = named("statefulset")
	daemons.ObjectMeta, daemons.Spec.Selector, daemons.Spec.Template = named("daemonset")
	replicaSet.ObjectMeta, replicaSet.Spec.Selector, replicaSet.Spec.Template = named("replicaset")
	var selector *metav1.LabelSelector
	controller.Spec.Template = &corev1.PodTemplateSpec{}
	controller.ObjectMeta, selector, *controller.Spec.Template = named("replicationcontroller")
	controller.Spec.Selector = selector.MatchLabels
	deployment.Spec.Replicas, set.Spec.Replicas, replicaSet.Spec.Replicas, controller.Spec.Replicas = &one, &one, &one, &one
	job.ObjectMeta, _, job.Spec.Template = named("job")
	cronJob.ObjectMeta, _, cronJob.Spec.JobTemplate.Spec.Template = named("cronjob")
	cronJob.Spec.Schedule = "0 0 1 1 *"
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	cronJob.Spec.JobTemplate.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	return map[string]client.Object{
		"Deployment": deployment, "StatefulSet": set, "DaemonSet": daemons, "ReplicaSet": replicaSet,
		"ReplicationController": controller, "Job": job, "CronJob": cronJob,
	}
}

func onTheNodesNetwork(spec *corev1.PodSpec) { spec.HostNetwork = true }

// refusedPods waits until a controller was refused an object, which the events of the owner report.
func refusedPods(t *testing.T, namespace, owner, policy string) {
	t.Helper()
	eventually(t, "the objects of "+owner+" to be refused", func(ctx context.Context) error {
		var events corev1.EventList
		if err := cluster.Admin.Client.List(ctx, &events, client.InNamespace(namespace)); err != nil {
			return err
		}
		for _, event := range events.Items {
			if strings.HasPrefix(event.InvolvedObject.Name, owner) && strings.Contains(event.Message, "denied the request") && strings.Contains(event.Message, "- "+policy) {
				return nil
			}
		}
		return fmt.Errorf("no event among %d says so", len(events.Items))
	})
}

func noPods(t *testing.T, namespace string) {
	t.Helper()
	var pods corev1.PodList
	must(t, cluster.Admin.Client.List(t.Context(), &pods, client.InNamespace(namespace)))
	for _, pod := range pods.Items {
		t.Errorf("Pod %s runs", pod.Name)
	}
}

// A Policy about Pods cannot be bypassed through a kind that it omits: either the workload or its Pods are
// refused.
func TestAPolicyAboutPodsIsNotWalkedAroundByTheKindLeftOut(t *testing.T) {
	t.Parallel()
	must(t, cluster.Admin.Client.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: unique("carrier-node")}}))
	for shape, test := range map[string]struct {
		kinds, rules string
		// refused lists the kinds that are refused; the others get no Pods.
		refused string
	}{
		"pods":     {"Pod", byTemplate, "Deployment StatefulSet DaemonSet ReplicaSet ReplicationController Job CronJob"},
		"some":     {"Pod, Deployment.apps, StatefulSet.apps, DaemonSet.apps", byTemplate, "Deployment StatefulSet DaemonSet ReplicaSet ReplicationController Job CronJob"},
		"object":   {"Pod", byObject, ""},
		"lists":    {"Pod, Deployment.apps, ReplicaSet.apps", byTemplate + "\n\tinput.kind in {\"Pod\", \"Deployment\", \"ReplicaSet\"}", "Deployment ReplicaSet"},
		"parallel": {"Pod, Deployment.apps", byTemplate + "\n\tinput.operation == \"CREATE\"", "Deployment"},
	} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			label := unique("carriers-" + shape)
			namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
			name := "own-" + label
			rules := test.rules
			if head, body, ok := strings.Cut(rules, " if "); ok {
				rules = head + " if {\n\t" + body + "\n}"
			}
			putPolicy(t, podPolicy(name, test.kinds, rules))
			putGuardrail(t, binding(name, label, name))
			for kind, object := range carriers(namespace, onTheNodesNetwork) {
				answer := cluster.Alice.Create(t.Context(), object)
				if strings.Contains(" "+test.refused+" ", " "+kind+" ") {
					if words := deny(t, kind, answer); !strings.Contains(words, "- "+name) {
						t.Errorf("%s: denied for:\n%s", kind, words)
					}
					continue
				}
				admit(t, kind, answer)
				if kind == "CronJob" {
					job, err := cluster.JobFrom(t.Context(), namespace, "cronjob", "by-hand")
					must(t, err)
					admit(t, "its Job", cluster.Alice.Create(t.Context(), job))
					refusedPods(t, namespace, "by-hand", name)
					continue
				}
				refusedPods(t, namespace, object.GetName(), name)
			}
			noPods(t, namespace)
		})
	}
}

// Existing workloads keep getting Pods if the kinds of the Policy could be completed, while new ones are
// refused.
func TestWhatPredatesAPolicyThatIsCompletedKeepsItsPods(t *testing.T) {
	t.Parallel()
	label := unique("carriers-old")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := "own-" + label
	old := carriers(namespace, onTheNodesNetwork)
	for _, kind := range []string{"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"} {
		admit(t, kind, cluster.Alice.Create(t.Context(), old[kind]))
	}
	putPolicy(t, podPolicy(name, "Pod, Deployment.apps", byTemplate))
	putGuardrail(t, binding(name, label, name))
	for _, kind := range []string{"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"} {
		app := old[kind].GetName()
		before := podsOf(t, namespace, "app", app, 1)[0]
		must(t, cluster.Admin.Client.Delete(t.Context(), &before, client.GracePeriodSeconds(0)))
		eventually(t, "another Pod of "+app, func(ctx context.Context) error {
			var pods corev1.PodList
			if err := cluster.Admin.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{"app": app}); err != nil {
				return err
			}
			for _, pod := range pods.Items {
				if pod.UID != before.UID {
					return nil
				}
			}
			return fmt.Errorf("none of %d is new", len(pods.Items))
		})
	}
	deployment := carriers(namespace, onTheNodesNetwork)["Deployment"]
	deployment.SetName("another")
	deny(t, "a new Deployment", cluster.Alice.Create(t.Context(), deployment, client.DryRunAll))
}

// A StatefulSet's claims are decided by a Policy that covers only claims, and trusted by one that also covers
// the StatefulSet.
func TestClaimsOfAStatefulSetAreDecidedWhereItIsNot(t *testing.T) {
	t.Parallel()
	for shape, kinds := range map[string]string{"alone": "PersistentVolumeClaim", "both": "PersistentVolumeClaim, StatefulSet.apps"} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			label := unique("claims-" + shape)
			namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
			name := "own-" + label
			putPolicy(t, podPolicy(name, kinds, `deny contains {"msg": "the class is not allowed", "path": "spec.storageClassName"} if input.object.spec.storageClassName == "fast"`))
			putGuardrail(t, binding(name, label, name))
			set := carriers(namespace, func(*corev1.PodSpec) {})["StatefulSet"].(*appsv1.StatefulSet)
			set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "data"},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: new("fast"),
					Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
				},
			}}
			admit(t, "the StatefulSet", cluster.Alice.Create(t.Context(), set))
			if shape == "alone" {
				refusedPods(t, namespace, "statefulset", name)
				noPods(t, namespace)
				return
			}
			podsOf(t, namespace, "app", "statefulset", 1)
		})
	}
}

// The Exemption of a workload also applies to its Pods, which are its purpose.
func TestAnExemptedWorkloadHasItsPods(t *testing.T) {
	t.Parallel()
	label := unique("carriers-exempted")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := "own-" + label
	putPolicy(t, podPolicy(name, "Pod", byTemplate))
	putGuardrail(t, binding(name, label, name))
	e := nginxExemption(label, namespace, time.Now().Add(time.Hour))
	e.Spec.Policies, e.Spec.Kinds, e.Spec.Names, e.Spec.Containers = []string{name}, []string{"ReplicaSet"}, []string{"replica*"}, nil
	putExemption(t, e)
	all := carriers(namespace, onTheNodesNetwork)
	admit(t, "the exempted kind", cluster.Alice.Create(t.Context(), all["ReplicaSet"]))
	podsOf(t, namespace, "app", "replicaset", 1)
	deny(t, "another kind", cluster.Alice.Create(t.Context(), all["Deployment"]))
}

// What a Policy omits is reported when it is applied, when it is bound, and in its status.
func TestWhatAPolicyLeavesOutIsTold(t *testing.T) {
	t.Parallel()
	for shape, test := range map[string]struct {
		kinds, rules   string
		status         metav1.ConditionStatus
		reason, says   string
		warned, binded string
	}{
		"completed": {"Pod, Deployment.apps", byTemplate, metav1.ConditionTrue, "KindsCompleted", "ReplicaSet.apps, StatefulSet.apps", "kinds: it also applies to ReplicaSet.apps", ""},
		"left-out":  {"Pod, Deployment.apps", byObject, metav1.ConditionFalse, "KindsMissing", "A Pod created from ReplicaSet.apps", "kinds: a Pod created from ReplicaSet.apps", ": a Pod created from ReplicaSet.apps"},
		"templates": {"Deployment.apps", byTemplate, metav1.ConditionFalse, "KindsMissing", "It does not apply to Pod, StatefulSet.apps", "kinds: it does not apply to Pod, StatefulSet.apps", ""},
		"whole":     {"ConfigMap", wants("team"), metav1.ConditionTrue, "EveryKind", "every kind", "", ""},
	} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			label := unique("told-" + shape)
			name := "own-" + label
			policy := podPolicy(name, test.kinds, test.rules)
			answer := admit(t, "the Policy", cluster.Admin.Create(t.Context(), policy.DeepCopy(), client.DryRunAll))
			told(t, "the Policy", answer, test.warned)
			putPolicy(t, policy)
			told(t, "the Guardrail", admit(t, "the Guardrail", cluster.Admin.Create(t.Context(), binding(name, label, name), client.DryRunAll)), test.binded)
			eventually(t, "the condition Covered", func(ctx context.Context) error {
				stored := &v1alpha1.Policy{}
				if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(policy), stored); err != nil {
					return err
				}
				c := meta.FindStatusCondition(stored.Status.Conditions, "Covered")
				if c == nil || c.Status != test.status || c.Reason != test.reason || !strings.Contains(c.Message, test.says) {
					return fmt.Errorf("it is %+v", c)
				}
				return nil
			})
		})
	}
}

func told(t *testing.T, what string, answer *harness.Answer, want string) {
	t.Helper()
	warnings := strings.Join(answer.Warnings, "\n")
	if want == "" && warnings != "" || !strings.Contains(warnings, want) {
		t.Errorf("%s: warned %q, want %q", what, warnings, want)
	}
}

// Under audit, the Pods that enforcement would deny are counted first.
func TestPodsOfUndecidedTemplatesAreCountedUnderAudit(t *testing.T) {
	t.Parallel()
	label := unique("carriers-audit")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := "own-" + label
	putPolicy(t, podPolicy(name, "Pod", byObject))
	g := binding(name, label, name)
	g.Spec.Mode = v1alpha1.ModeAudit
	putGuardrail(t, g)
	admit(t, "a Job", cluster.Alice.Create(t.Context(), carriers(namespace, onTheNodesNetwork)["Job"]))
	podsOf(t, namespace, "app", "job", 1)
	eventually(t, "the Pod to be counted", func(ctx context.Context) error {
		stored := &v1alpha1.Guardrail{}
		if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(g), stored); err != nil {
			return err
		}
		if w := stored.Status.WouldDeny; w == nil || len(w.Namespaces) != 1 || w.Namespaces[0].Policies[name] < 1 {
			return fmt.Errorf("it is %+v", w)
		}
		return nil
	})
}
