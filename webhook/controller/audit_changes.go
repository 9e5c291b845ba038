package controller

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/facts"
)

// changing is who decides again what a change touches; *audit.Auditor implements it.
type changing interface {
	NamespaceChanged(name string)
	NamespaceDeleted(name string)
	FactChanged(fact decision.Fact, namespace string, later bool)
}

// auditChanges passes on to the auditor what changes around the objects that it decides.
type auditChanges struct {
	configure *trigger
	auditor   atomic.Pointer[changing]
}

// follow passes changes on to an auditor until the returned function is called.
func (c *auditChanges) follow(auditor changing) (stop func()) {
	c.auditor.Store(&auditor)
	return func() { c.auditor.CompareAndSwap(&auditor, nil) }
}

// watch starts to observe namespaces and facts, whose informers have synced.
func (c *auditChanges) watch(ctx context.Context, watched cache.Cache) error {
	for _, object := range facts.Watched() {
		informer, err := watched.GetInformer(ctx, object)
		if err == nil {
			_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
				AddFunc: func(added any, initial bool) {
					if !initial {
						c.changed(nil, added)
					}
				},
				UpdateFunc: func(before, after any) { c.changed(before, after) },
				DeleteFunc: func(gone any) {
					if tombstone, ok := gone.(toolscache.DeletedFinalStateUnknown); ok {
						gone = tombstone.Obj
					}
					c.changed(gone, nil)
				},
			})
		}
		if err != nil {
			return fmt.Errorf("watching %s: %w", kindOf(object), err)
		}
	}
	return nil
}

// changed passes on a change. before is nil for a new object, and after for one that was deleted.
func (c *auditChanges) changed(before, after any) {
	following := c.auditor.Load()
	if following == nil {
		return
	}
	auditor := *following
	was, existed := before.(client.Object)
	is, exists := after.(client.Object)
	object := is
	switch {
	case !existed && !exists:
		return
	case !exists:
		object = was
	}
	fact, isFact := factOf(object)
	if !isFact {
		c.namespaceChanged(auditor, was, is)
		return
	}
	if same, later := compareFacts(was, is); !same {
		auditor.FactChanged(fact, object.GetNamespace(), later)
	}
}

func (c *auditChanges) namespaceChanged(auditor changing, was, is client.Object) {
	switch {
	case is == nil:
		auditor.NamespaceDeleted(was.GetName())
	case was == nil, !maps.Equal(was.GetLabels(), is.GetLabels()), !maps.Equal(was.GetAnnotations(), is.GetAnnotations()):
		// Of the annotations, only those are kept that name the owner.
		auditor.NamespaceChanged(is.GetName())
	}
}

// factOf returns which fact an object is. Namespaces are none.
func factOf(object client.Object) (decision.Fact, bool) {
	switch object.(type) {
	case *corev1.LimitRange:
		return decision.FactLimitRanges, true
	case *corev1.ResourceQuota:
		return decision.FactResourceQuotas, true
	case *autoscalingv2.HorizontalPodAutoscaler:
		return decision.FactAutoscalers, true
	case *corev1.PersistentVolumeClaim:
		return decision.FactClaims, true
	case *storagev1.StorageClass:
		return decision.FactStorageClasses, true
	}
	return "", false
}

// compareFacts reports whether two versions of an object are the same to policies. later is true if only the usage of a
// ResourceQuota differs, which changes with every Pod, or if a claim is new or gone, of which a workload has many.
func compareFacts(was, is client.Object) (same, later bool) {
	switch is := is.(type) {
	case *corev1.ResourceQuota:
		if was, ok := was.(*corev1.ResourceQuota); ok {
			same = equality.Semantic.DeepEqual(was.Spec, is.Spec) && equality.Semantic.DeepEqual(was.Status.Hard, is.Status.Hard)
			return same && equality.Semantic.DeepEqual(was.Status.Used, is.Status.Used), same
		}
	case *corev1.LimitRange:
		if was, ok := was.(*corev1.LimitRange); ok {
			return equality.Semantic.DeepEqual(was.Spec, is.Spec), false
		}
	case *autoscalingv2.HorizontalPodAutoscaler:
		if was, ok := was.(*autoscalingv2.HorizontalPodAutoscaler); ok {
			return equality.Semantic.DeepEqual(was.Spec, is.Spec), false
		}
	case *corev1.PersistentVolumeClaim:
		if was, ok := was.(*corev1.PersistentVolumeClaim); ok {
			return equality.Semantic.DeepEqual(was.Spec, is.Spec), true
		}
		return false, true
	case *storagev1.StorageClass:
		if was, ok := was.(*storagev1.StorageClass); ok {
			return was.Provisioner == is.Provisioner && maps.Equal(was.Annotations, is.Annotations), false
		}
	}
	return false, false
}
