package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
