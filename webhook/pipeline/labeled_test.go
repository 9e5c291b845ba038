package pipeline_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

// If a namespace is not recorded yet, the timestamp of its label shows since when it is selected: what is
// applied right after it was labeled is filled.
func TestALabelTellsSinceWhenANamespaceIsSelected(t *testing.T) {
	present := metav1.LabelSelector{MatchLabels: map[string]string{"guard": "on"}}
	absent := metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "unguarded", Operator: metav1.LabelSelectorOpDoesNotExist}}}
	for name, c := range map[string]struct {
		selector         metav1.LabelSelector
		labeled, written int
		want             string
	}{
		"written after the label":           {present, 15, 16, "10m"},
		"written before the label":          {present, 15, 14, "left: the template is older than the injection"},
		"written in the label's second":     {present, 15, 15, "left: the template is older than the injection"},
		"labeled before it was selected":    {present, 9, 16, "left: it is not recorded yet how long Guardrail g has injected into this namespace"},
		"nobody answers":                    {present, 0, 16, "left: it is not known how long Guardrail g has selected the namespace: away"},
		"selected by a label that has gone": {absent, 15, 16, "left: it is not recorded yet how long Guardrail g has injected into this namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			g := injectingSince(t)
			g.Spec.NamespaceSelector = &c.selector
			g.Status.Injection.NamespaceSelector, g.Status.Injection.Everywhere = &c.selector, nil
			namespace, labeled := createdAt(1, "n", nil), minutes(c.labeled)
			namespace.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Time: &labeled}}
			if c.labeled == 0 {
				namespace = nil
			}
			objects := storedObjects{"Namespace shop": namespace, "ReplicaSet rs": createdAt(c.written, "u", nil)}
			object := `{"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"rs","uid":"u","controller":true}]},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`
			r := reviewed(t, decision.OriginMutating, "CREATE", "", "Pod", object, "null")
			f := known(nil)
			f.namespace.Created, f.namespace.Labels = minutes(1).Time, map[string]string{"guard": "on"}
			d, err := pipeline.New(build(t, g), f, pipeline.Options{Templates: objects}).Decide(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome(d); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
