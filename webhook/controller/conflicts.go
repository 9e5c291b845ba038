package controller

import (
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
)

// conflictingCondition returns the condition Conflicting, or nil for a Guardrail that never had one.
func conflictingCondition(g *v1alpha1.Guardrail, conflicts []configcheck.Conflict) *metav1.Condition {
	if len(conflicts) == 0 {
		if meta.FindStatusCondition(g.Status.Conditions, v1alpha1.ConditionConflicting) == nil {
			return nil
		}
		return &metav1.Condition{
			Type: v1alpha1.ConditionConflicting, Status: metav1.ConditionFalse, ObservedGeneration: g.Generation,
			Reason: v1alpha1.ReasonNoConflict, Message: "No other Guardrail would inject a different value.",
		}
	}
	texts := make([]string, len(conflicts))
	for i := range conflicts {
		texts[i] = conflicts[i].String()
	}
	return &metav1.Condition{
		Type: v1alpha1.ConditionConflicting, Status: metav1.ConditionTrue, ObservedGeneration: g.Generation,
		Reason: v1alpha1.ReasonInjectsOtherValues, Message: decision.Line(strings.Join(texts, "; "), maxConditionMessage),
	}
}

// namespaceEvents fires on changes that may affect which namespaces a Guardrail selects.
func namespaceEvents(t *trigger) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { t.fire() },
		DeleteFunc: func(any) { t.fire() },
		UpdateFunc: func(before, after any) {
			was, ok := before.(client.Object)
			is, ok2 := after.(client.Object)
			if !ok || !ok2 || !maps.Equal(was.GetLabels(), is.GetLabels()) {
				t.fire()
			}
		},
	}
}
