package manifest

import (
	"context"
	"errors"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"taffrail.dev/webhook/review"
)

// Facts is what the input says about namespaces. It is a cluster in which nothing
// exists but the input, with one difference: of a namespace that is not part of the
// input nobody knows the labels.
type Facts struct {
	labels      map[string]map[string]string
	limitRanges map[string][]*corev1.LimitRange
	quotas      map[string][]*corev1.ResourceQuota
	autoscalers map[string][]*autoscalingv2.HorizontalPodAutoscaler
	claims      map[string][]*corev1.PersistentVolumeClaim
	classes     []*storagev1.StorageClass
}

// NewFacts gathers what are facts among the items, from Namespaces to StorageClasses,
// wherever they stand. Of two of one name the last counts, as it does for kubectl
// apply. The errors are those of items that it could not read, by their index.
func NewFacts(items []Item, defaultNamespace string) (*Facts, map[int]error) {
	f := &Facts{
		labels:      map[string]map[string]string{},
		limitRanges: map[string][]*corev1.LimitRange{},
		quotas:      map[string][]*corev1.ResourceQuota{},
		autoscalers: map[string][]*autoscalingv2.HorizontalPodAutoscaler{},
		claims:      map[string][]*corev1.PersistentVolumeClaim{},
	}
	bad := map[int]error{}
	for i, item := range items {
		if item.Object == nil {
			continue
		}
		if err := f.add(item.Object, defaultNamespace); err != nil {
			bad[i] = err
		}
	}
	return f, bad
}

func (f *Facts) add(object map[string]any, defaultNamespace string) error {
	version, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	switch version + "/" + kind {
	case "v1/Namespace":
		return f.addNamespace(object)
	case "v1/LimitRange":
		return putIn(f.limitRanges, object, &corev1.LimitRange{}, defaultNamespace)
	case "v1/ResourceQuota":
		return putIn(f.quotas, object, &corev1.ResourceQuota{}, defaultNamespace)
	case "v1/PersistentVolumeClaim":
		return putIn(f.claims, object, &corev1.PersistentVolumeClaim{}, defaultNamespace)
	case "autoscaling/v2/HorizontalPodAutoscaler", "autoscaling/v1/HorizontalPodAutoscaler":
		// What is read of it is the same in both versions.
		return putIn(f.autoscalers, object, &autoscalingv2.HorizontalPodAutoscaler{}, defaultNamespace)
	case "storage.k8s.io/v1/StorageClass":
		class := &storagev1.StorageClass{}
		if err := convert(object, class); err != nil {
			return err
		}
		f.classes = put(f.classes, class)
	}
	return nil
}

func (f *Facts) addNamespace(object map[string]any) error {
	name, _, err := unstructured.NestedString(object, "metadata", "name")
	if err != nil || name == "" {
		return errors.New("the Namespace has no name")
	}
	labels, _, err := unstructured.NestedStringMap(object, "metadata", "labels")
	if err != nil {
		return errors.New("the labels of the Namespace must be text, every one of them")
	}
	f.labels[name] = labels
	return nil
}

// Namespace tells the labels of a namespace that is part of the input.
func (f *Facts) Namespace(_ context.Context, name string) (review.Namespace, error) {
	if name == "" {
		return review.Namespace{Known: true}, nil
	}
	if labels, found := f.labels[name]; found {
		return review.Namespace{Name: name, Labels: labels, Known: true}, nil
	}
	return review.Namespace{Name: name}, nil
}

// Facts tells what a namespace has beside the object. What is not part of the input is
// taken not to exist: a manifest that leans on it cannot say so.
func (f *Facts) Facts(_ context.Context, namespace string, _ []review.Fact) (review.Facts, error) {
	return review.Facts{
		LimitRanges: f.limitRanges[namespace], ResourceQuotas: f.quotas[namespace], Autoscalers: f.autoscalers[namespace],
		PersistentVolumeClaims: f.claims[namespace], StorageClasses: f.classes,
	}, nil
}

func convert(object map[string]any, into any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, into); err != nil {
		return fmt.Errorf("the %s cannot be read: %w", object["kind"], err)
	}
	return nil
}

type named interface {
	GetName() string
	GetNamespace() string
}

func putIn[T named](lists map[string][]T, object map[string]any, into T, defaultNamespace string) error {
	if err := convert(object, into); err != nil {
		return err
	}
	namespace := orDefault(into.GetNamespace(), defaultNamespace)
	lists[namespace] = put(lists[namespace], into)
	return nil
}

// put replaces the object of the same name, or appends.
func put[T named](list []T, object T) []T {
	for i := range list {
		if list[i].GetName() == object.GetName() {
			list[i] = object
			return list
		}
	}
	return append(list, object)
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
