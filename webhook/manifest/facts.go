package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/decision"
)

// Facts describes namespaces as the input defines them. It is a cluster that contains only the
// input, except that the labels of a namespace that is not part of the input are unknown.
type Facts struct {
	namespaces  map[string]decision.Namespace
	limitRanges lists[*corev1.LimitRange]
	quotas      lists[*corev1.ResourceQuota]
	autoscalers lists[*autoscalingv2.HorizontalPodAutoscaler]
	claims      lists[*corev1.PersistentVolumeClaim]
	// classes are cluster-scoped.
	classes lists[*storagev1.StorageClass]
}

func newFacts() *Facts {
	return &Facts{namespaces: map[string]decision.Namespace{}}
}

// FactsOf gathers the facts among the items, such as Namespaces, LimitRanges and StorageClasses,
// wherever in the input they are. If two have the same name, the last one counts, as with kubectl
// apply. Objects for which FactError returns an error are skipped.
func FactsOf(items iter.Seq[Item], defaultNamespace string) *Facts {
	f := newFacts()
	for item := range items {
		if item.Object != nil {
			// The error is reported when the object is evaluated; see FactError.
			_ = f.add(item.Object, defaultNamespace)
		}
	}
	return f
}

// FactError returns an error if an object of a kind that defines facts cannot be decoded.
func FactError(object map[string]any) error {
	return newFacts().add(object, "")
}

// factKinds are the kinds that add reads.
var factKinds = [...]string{"Namespace", "LimitRange", "ResourceQuota", "PersistentVolumeClaim", "HorizontalPodAutoscaler", "StorageClass"}

// mayHoldFact reports whether a document has to be parsed to find out if it contains a fact. Most
// documents do not contain the name of such a kind anywhere, so they are not parsed. YAML can
// spell a word without its letters only with escapes or with the tag !!binary.
func mayHoldFact(text []byte) bool {
	for _, kind := range factKinds {
		if bytes.Contains(text, []byte(kind)) {
			return true
		}
	}
	return bytes.IndexByte(text, '\\') >= 0 || bytes.IndexByte(text, '!') >= 0
}

func (f *Facts) add(object map[string]any, defaultNamespace string) error {
	version, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	switch version + "/" + kind {
	case "v1/Namespace":
		return f.addNamespace(object)
	case "v1/LimitRange":
		return f.limitRanges.put(object, &corev1.LimitRange{}, defaultNamespace)
	case "v1/ResourceQuota":
		return f.quotas.put(object, &corev1.ResourceQuota{}, defaultNamespace)
	case "v1/PersistentVolumeClaim":
		return f.claims.put(object, &corev1.PersistentVolumeClaim{}, defaultNamespace)
	case "autoscaling/v2/HorizontalPodAutoscaler", "autoscaling/v1/HorizontalPodAutoscaler":
		// The fields that are read are the same in both versions.
		return f.autoscalers.put(object, &autoscalingv2.HorizontalPodAutoscaler{}, defaultNamespace)
	case "storage.k8s.io/v1/StorageClass":
		return f.classes.put(object, &storagev1.StorageClass{}, "")
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
		return errors.New("all labels of the Namespace must be strings")
	}
	// An annotation that is not a string names no owner. The API server rejects it.
	annotations, _, _ := unstructured.NestedStringMap(object, "metadata", "annotations")
	at, _, _ := unstructured.NestedString(object, "metadata", "creationTimestamp") // without one, it is not known
	created, _ := time.Parse(time.RFC3339, at)
	f.namespaces[name] = decision.Namespace{Name: name, Labels: labels, Annotations: annotations, Known: true, Created: created}
	return nil
}

// Namespace returns the labels of a namespace that is part of the input.
func (f *Facts) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	if name == "" {
		return decision.Namespace{Known: true}, nil
	}
	if namespace, found := f.namespaces[name]; found {
		return namespace, nil
	}
	return decision.Namespace{Name: name}, nil
}

// Facts returns the facts about a namespace. What is not part of the input is assumed not to
// exist: a manifest cannot express that it relies on it.
func (f *Facts) Facts(_ context.Context, namespace string, _ []decision.Fact) (decision.Facts, error) {
	return decision.Facts{
		LimitRanges: f.limitRanges.of(namespace), ResourceQuotas: f.quotas.of(namespace), Autoscalers: f.autoscalers.of(namespace),
		PersistentVolumeClaims: f.claims.of(namespace), StorageClasses: f.classes.of(""),
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

// lists stores the objects of one kind by namespace. The zero value is empty.
type lists[T named] struct {
	byNamespace map[string][]T
	// index maps an object to its position in the list of its namespace.
	index map[types.NamespacedName]int
}

func (l *lists[T]) of(namespace string) []T { return l.byNamespace[namespace] }

// put replaces the object with the same name, or appends it.
func (l *lists[T]) put(object map[string]any, into T, defaultNamespace string) error {
	if err := convert(object, into); err != nil {
		return err
	}
	if l.index == nil {
		l.byNamespace, l.index = map[string][]T{}, map[types.NamespacedName]int{}
	}
	namespace := orDefault(into.GetNamespace(), defaultNamespace)
	key := types.NamespacedName{Namespace: namespace, Name: into.GetName()}
	if at, found := l.index[key]; found {
		l.byNamespace[namespace][at] = into
		return nil
	}
	l.index[key] = len(l.byNamespace[namespace])
	l.byNamespace[namespace] = append(l.byNamespace[namespace], into)
	return nil
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
