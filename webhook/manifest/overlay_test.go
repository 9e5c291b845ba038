package manifest_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// inCluster is a cluster with one namespace.
type inCluster struct {
	namespace decision.Namespace
	facts     decision.Facts
}

func (c *inCluster) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	if name != c.namespace.Name {
		return decision.Namespace{Name: name, Missing: "does not exist"}, nil
	}
	return c.namespace, nil
}

func (c *inCluster) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return c.facts, nil
}

func limitsOf(cpu string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceLimitsCPU: resource.MustParse(cpu)}
}

// The input is decided as if it had been applied to the cluster.
func TestOverlay(t *testing.T) {
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "shop"} }
	cluster := &inCluster{
		namespace: decision.Namespace{Name: "shop", Labels: map[string]string{"a": "1", "b": "1"}, Annotations: map[string]string{"owner": "a"}, Known: true, Created: created},
		facts: decision.Facts{
			LimitRanges: []*corev1.LimitRange{{ObjectMeta: named("kept")}, {ObjectMeta: named("replaced")}},
			ResourceQuotas: []*corev1.ResourceQuota{{
				ObjectMeta: named("quota"), Spec: corev1.ResourceQuotaSpec{Hard: limitsOf("1")},
				Status: corev1.ResourceQuotaStatus{Hard: limitsOf("1"), Used: limitsOf("900m")},
			}},
		},
	}
	input := manifest.FactsOf(slices.Values(manifest.Decode([]byte(strings.Join([]string{
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {b: '2', c: '2'}, annotations: {team: b}}",
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: made}",
		"apiVersion: v1\nkind: LimitRange\nmetadata: {name: replaced, namespace: shop, labels: {from: input}}\nspec: {limits: []}",
		"apiVersion: v1\nkind: LimitRange\nmetadata: {name: added, namespace: shop}\nspec: {limits: []}",
		"apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: quota, namespace: shop}\nspec: {hard: {limits.cpu: '2'}}",
	}, "\n---\n")), "input.yaml")), "default")
	over := input.Over(cluster)

	namespace, err := over.Namespace(t.Context(), "shop")
	if want := map[string]string{"a": "1", "b": "2", "c": "2"}; err != nil || !maps.Equal(namespace.Labels, want) || !namespace.Known || !namespace.Created.Equal(created) {
		t.Errorf("%v, %+v", err, namespace)
	}
	if want := map[string]string{"owner": "a", "team": "b"}; !maps.Equal(namespace.Annotations, want) {
		t.Errorf("annotations %v", namespace.Annotations)
	}
	if !maps.Equal(cluster.namespace.Labels, map[string]string{"a": "1", "b": "1"}) {
		t.Errorf("the labels of the cluster were changed: %v", cluster.namespace.Labels)
	}
	if made, err := over.Namespace(t.Context(), "made"); err != nil || !made.Known || made.Missing != "" {
		t.Errorf("of the input alone: %v, %+v", err, made)
	}
	if gone, err := over.Namespace(t.Context(), "gone"); err != nil || gone.Known || gone.Missing != "does not exist" {
		t.Errorf("of neither: %v, %+v", err, gone)
	}
	facts, err := over.Facts(t.Context(), "shop", decision.AllFacts())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range facts.LimitRanges {
		names = append(names, l.Name+l.Labels["from"])
	}
	if want := []string{"kept", "replacedinput", "added"}; !slices.Equal(names, want) {
		t.Errorf("LimitRanges %v, want %v", names, want)
	}
	if len(facts.ResourceQuotas) != 1 {
		t.Fatalf("%+v", facts.ResourceQuotas)
	}
	status := facts.ResourceQuotas[0].Status
	if status.Hard.Name(corev1.ResourceLimitsCPU, resource.DecimalSI).String() != "2" || status.Used.Name(corev1.ResourceLimitsCPU, resource.DecimalSI).String() != "900m" {
		t.Errorf("%+v", status)
	}
}
