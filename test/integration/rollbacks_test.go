package integration

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/podgen"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/request"
)

var (
	rollbacks     = flag.Int("rollbacks", 500, "how many random templates are rolled back to")
	rollbacksSeed = flag.Uint64("rollbacks.seed", 0, "the seed of the templates; 0 is a fixed one, and one from the clock for the rest")
)

// drawn is a workload with a random template.
type drawn struct {
	object   client.Object
	template *corev1.PodTemplateSpec
	written  corev1.PodTemplateSpec
}

// draw creates workloads of the four kinds whose templates are restored or copied.
func draw(source *rand.Rand, namespace string, n int) []*drawn {
	none, selector := int32(0), &metav1.LabelSelector{MatchLabels: map[string]string{"app": "drawn"}}
	all := make([]*drawn, n)
	for i := range all {
		place := podgen.Anywhere
		if i%4 == 3 {
			place = podgen.InJob
		}
		template := podgen.Template(source, place)
		untagged := []string{"nginx", "nginx:latest", "registry.example:5000/team/app"}
		template.Spec.Containers[0].Image = untagged[source.IntN(len(untagged))]
		d := &drawn{written: *template.DeepCopy()}
		// Each selects its own revisions.
		selector = selector.DeepCopy()
		selector.MatchLabels["number"] = fmt.Sprint(i)
		for _, t := range []*corev1.PodTemplateSpec{&template, &d.written} {
			t.Labels["number"] = fmt.Sprint(i)
		}
		meta := metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint("drawn-", i)}
		switch i % 4 {
		case 0:
			o := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &none, Selector: selector, Template: template}}
			d.object, d.template = o, &o.Spec.Template
		case 1:
			o := &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &none, Selector: selector, Template: template}}
			d.object, d.template = o, &o.Spec.Template
		case 2:
			o := &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template}}
			d.object, d.template = o, &o.Spec.Template
		case 3:
			o := &batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{Schedule: "0 3 1 1 *", Suspend: new(true)}}
			o.Spec.JobTemplate.Spec.Template = template
			d.object, d.template = o, &o.Spec.JobTemplate.Spec.Template
		}
		all[i] = d
	}
	return all
}

// each runs do for all of them, several at a time.
func each(t *testing.T, all []*drawn, do func(ctx context.Context, d *drawn) error) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for _, d := range all {
		group.Go(func() error {
			if err := do(ctx, d); err != nil {
				template, _ := jsonOf(d.written)
				return fmt.Errorf("%T %s: %w, template %s", d.object, d.object.GetName(), err, template)
			}
			return nil
		})
	}
	must(t, group.Wait())
}

// A workload can be rolled back to any template that it had, and a CronJob can be run manually: the template in
// the revision, and the one that the API server makes of the rollback, are equal, even if only one of them has
// defaults.
func TestNoRollbackIsDenied(t *testing.T) {
	t.Parallel()
	seeds := []uint64{42, uint64(time.Now().UnixNano())}
	if *rollbacksSeed != 0 {
		seeds = []uint64{*rollbacksSeed}
	}
	const batch = 250
	for i, left := 0, *rollbacks; left > 0; i, left = i+1, left-batch {
		seed := seeds[i%len(seeds)] + uint64(i/len(seeds))
		t.Logf("-rollbacks.seed=%d", seed)
		rollBack(t, rand.New(rand.NewPCG(seed, 1)), min(batch, left))
	}
}

func rollBack(t *testing.T, source *rand.Rand, n int) {
	t.Helper()
	name := unique("rollbacks")
	namespace := newNamespace(t, name, "test.taffrail.dev/own="+name)
	all := draw(source, namespace, n)
	each(t, all, func(ctx context.Context, d *drawn) error {
		if err := cluster.Alice.Create(ctx, d.object).Err; err != nil {
			return err
		}
		request.SetPodTemplateDefaults(&d.written)
		if !apiequality.Semantic.DeepEqual(d.written, *d.template) {
			return fmt.Errorf("the API server has other defaults: %s", diff(d.written, *d.template))
		}
		return nil
	})
	revised := n - n/4
	eventually(t, "the revisions in "+namespace, func(ctx context.Context) error {
		var sets appsv1.ReplicaSetList
		var revisions appsv1.ControllerRevisionList
		if err := errors.Join(cluster.Admin.Client.List(ctx, &sets, client.InNamespace(namespace)), cluster.Admin.Client.List(ctx, &revisions, client.InNamespace(namespace))); err != nil {
			return err
		}
		if found := len(sets.Items) + len(revisions.Items); found < revised {
			return fmt.Errorf("there are %d of %d", found, revised)
		}
		return nil
	})
	each(t, all, func(ctx context.Context, d *drawn) error {
		if _, ok := d.object.(*batchv1.CronJob); ok {
			return nil
		}
		good := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: d.template.Labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "good", Image: goodImage}}}}
		return cluster.Alice.Patch(ctx, d.object, toTemplate(t, good)).Err
	})
	g := binding(unique("rollbacks-"+namespace), name, "image-tag")
	g.Spec.Existing = v1alpha1.ExistingEnforce
	putGuardrail(t, g)
	first := all[0].object.DeepCopyObject().(client.Object)
	first.SetResourceVersion("")
	first.SetName("another")
	first.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image = badImage
	eventually(t, "enforcement in "+namespace, func(ctx context.Context) error {
		answer := cluster.Alice.Create(ctx, first.DeepCopyObject().(client.Object), client.DryRunAll)
		if _, denied := answer.Denied(); !denied {
			return fmt.Errorf("got %w", answer.Err)
		}
		return nil
	})
	each(t, all, func(ctx context.Context, d *drawn) error {
		if _, ok := d.object.(*batchv1.CronJob); ok {
			job, err := cluster.JobFrom(ctx, namespace, d.object.GetName(), "by-hand-"+d.object.GetName())
			if err != nil {
				return err
			}
			return tolerated(cluster.Alice.Create(ctx, job, client.DryRunAll))
		}
		patch, err := undo(ctx, d)
		if err != nil {
			return err
		}
		return tolerated(cluster.Alice.Patch(ctx, d.object, patch, client.DryRunAll))
	})
	// The controllers are needed by other tests.
	must(t, cluster.Admin.Client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
}

// undo returns the patch of `kubectl rollout undo` to the first revision.
func undo(ctx context.Context, d *drawn) (client.Patch, error) {
	labels := client.MatchingLabels{"number": d.template.Labels["number"]}
	if _, ok := d.object.(*appsv1.Deployment); ok {
		var list appsv1.ReplicaSetList
		if err := cluster.Alice.Client.List(ctx, &list, client.InNamespace(d.object.GetNamespace()), labels); err != nil {
			return nil, err
		}
		for i := range list.Items {
			template := &list.Items[i].Spec.Template
			if template.Spec.Containers[0].Name != "good" {
				delete(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
				patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/template", "value": template}})
				return client.RawPatch(types.JSONPatchType, patch), err
			}
		}
		return nil, errors.New("it has no such ReplicaSet")
	}
	var list appsv1.ControllerRevisionList
	if err := cluster.Alice.Client.List(ctx, &list, client.InNamespace(d.object.GetNamespace()), labels); err != nil {
		return nil, err
	}
	for i := range list.Items {
		if data := list.Items[i].Data.Raw; !strings.Contains(string(data), `"name":"good"`) {
			return client.RawPatch(types.StrategicMergePatchType, data), nil
		}
	}
	return nil, errors.New("it has no such ControllerRevision")
}
