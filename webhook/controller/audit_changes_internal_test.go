package controller

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
)

// reported records changes.
type reported []string

func (r *reported) NamespaceChanged(name string) { *r = append(*r, "changed "+name) }

func (r *reported) NamespaceDeleted(name string) { *r = append(*r, "deleted "+name) }

func (r *reported) FactChanged(fact decision.Fact, namespace string, later bool) {
	*r = append(*r, fmt.Sprintf("%s in %s, later %t", fact, namespace, later))
}

// Only what decisions, or the owners of objects, depend on is passed on.
func TestChangesAroundObjects(t *testing.T) {
	namespace := func(labels, annotations map[string]string) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: labels, Annotations: annotations}}
	}
	quota := func(hard, used string) *corev1.ResourceQuota {
		list := func(n string) corev1.ResourceList {
			return corev1.ResourceList{corev1.ResourcePods: resource.MustParse(n)}
		}
		return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: corev1.ResourceQuotaSpec{Hard: list(hard)}, Status: corev1.ResourceQuotaStatus{Used: list(used)}}
	}
	plain, team := namespace(nil, nil), map[string]string{"team": "a"}
	for name, c := range map[string]struct {
		before, after any
		want          []string
	}{
		"a new namespace":          {nil, plain, []string{"changed shop"}},
		"a namespace is gone":      {plain, nil, []string{"deleted shop"}},
		"a label":                  {plain, namespace(team, nil), []string{"changed shop"}},
		"an annotation":            {plain, namespace(nil, team), []string{"changed shop"}},
		"nothing of the namespace": {plain, namespace(nil, nil), nil},
		"the usage of a quota":     {quota("10", "1"), quota("10", "2"), []string{"resourceQuotas in shop, later true"}},
		"a quota":                  {quota("10", "1"), quota("11", "1"), []string{"resourceQuotas in shop, later false"}},
		"nothing of a quota":       {quota("10", "1"), quota("10", "1"), nil},
		"a new quota":              {nil, quota("10", "1"), []string{"resourceQuotas in shop, later false"}},
	} {
		changes, got := &auditChanges{}, &reported{}
		stop := changes.follow(got)
		changes.changed(c.before, c.after)
		if !slices.Equal(*got, c.want) {
			t.Errorf("%s: %q, want %q", name, *got, c.want)
		}
		stop()
		if changes.changed(nil, plain); len(*got) != len(c.want) {
			t.Errorf("%s: reported after it was stopped", name)
		}
	}
}
