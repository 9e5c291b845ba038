package server

import (
	"context"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/facts"
	"taffrail.dev/webhook/pipeline"
)

// conflictingCondition is nil for a Guardrail that no other ever disagreed with.
func conflictingCondition(g *v1alpha1.Guardrail, conflicts []pipeline.Conflict) *metav1.Condition {
	if len(conflicts) == 0 {
		if meta.FindStatusCondition(g.Status.Conditions, v1alpha1.ConditionConflicting) == nil {
			return nil
		}
		return &metav1.Condition{
			Type: v1alpha1.ConditionConflicting, Status: metav1.ConditionFalse, ObservedGeneration: g.Generation,
			Reason: v1alpha1.ReasonNoConflict, Message: "No Guardrail would inject another value.",
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

// watchNamespaces has every status looked at when namespaces come, go or change labels. That
// it cannot is no reason to stop: the next change of a Guardrail brings the same about.
func (w *statusWriter) watchNamespaces(ctx context.Context, watched cache.Cache) {
	informer, err := watched.GetInformer(ctx, facts.WatchedNamespaces())
	if err == nil {
		_, err = informer.AddEventHandler(w.namespaceEvents())
	}
	if err != nil && ctx.Err() == nil {
		w.log.Error(err, "Namespaces are not watched for conflicts between Guardrails")
	}
}

// namespaceEvents kicks where a Guardrail may come to select other namespaces.
func (w *statusWriter) namespaceEvents() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { w.kick() },
		DeleteFunc: func(any) { w.kick() },
		UpdateFunc: func(before, after any) {
			was, ok := before.(client.Object)
			is, ok2 := after.(client.Object)
			if !ok || !ok2 || !maps.Equal(was.GetLabels(), is.GetLabels()) {
				w.kick()
			}
		},
	}
}
