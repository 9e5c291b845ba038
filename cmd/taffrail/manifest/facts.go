package manifest

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
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
}

// NewFacts gathers the Namespaces, LimitRanges and ResourceQuotas among the items,
// wherever they stand. Of two of one name the last counts, as it does for kubectl
// apply. The errors are those of items that it could not read, by their index.
func NewFacts(items []Item, defaultNamespace string) (*Facts, map[int]error) {
	f := &Facts{
		labels:      map[string]map[string]string{},
		limitRanges: map[string][]*corev1.LimitRange{},
		quotas:      map[string][]*corev1.ResourceQuota{},
	}
	bad := map[int]error{}
	for i, item := range items {
		if item.Object == nil || item.Object["apiVersion"] != "v1" {
			continue
		}
		if err := f.add(item.Object, defaultNamespace); err != nil {
			bad[i] = err
		}
	}
	return f, bad
}

func (f *Facts) add(object map[string]any, defaultNamespace string) error {
	switch object["kind"] {
	case "Namespace":
		return f.addNamespace(object)
	case "LimitRange":
		limitRange := &corev1.LimitRange{}
		if err := convert(object, limitRange); err != nil {
			return err
		}
		namespace := orDefault(limitRange.Namespace, defaultNamespace)
		f.limitRanges[namespace] = put(f.limitRanges[namespace], limitRange)
	case "ResourceQuota":
		quota := &corev1.ResourceQuota{}
		if err := convert(object, quota); err != nil {
			return err
		}
		namespace := orDefault(quota.Namespace, defaultNamespace)
		f.quotas[namespace] = put(f.quotas[namespace], quota)
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

// Facts tells what bounds the Pods of a namespace. What is not part of the input is
// taken not to exist: a manifest that leans on it cannot say so.
func (f *Facts) Facts(_ context.Context, namespace string) (review.Facts, error) {
	return review.Facts{LimitRanges: f.limitRanges[namespace], ResourceQuotas: f.quotas[namespace]}, nil
}

func convert(object map[string]any, into any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, into); err != nil {
		return fmt.Errorf("the %s cannot be read: %w", object["kind"], err)
	}
	return nil
}

// put replaces the object of the same name, or appends.
func put[T interface{ GetName() string }](list []T, object T) []T {
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
