package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

const (
	statusRetry         = 5 * time.Second
	statusInterval      = time.Minute
	maxConditionMessage = 1000
)

// statusWriter tells the authors of the configuration what became of it. Only one replica
// runs one; another that does so for a moment writes the same.
type statusWriter struct {
	client client.Client
	// last is what was compiled, nil before the first time.
	last func() *outcome
	// excuses is what was counted for an Exemption of a snapshot, nil before it was.
	excuses func(snapshot, name string) (*audit.ExemptionUsage, time.Time)
	// namespaces are those that there are.
	namespaces func(context.Context) ([]decision.Namespace, error)
	// reaching knows what the API server sends. It may be nil.
	reaching *reachability
	metric   *reachedMetric
	now      func() time.Time
	// maxMode is the ceiling of this replica.
	maxMode decision.Mode
	// live and clock are the API server's.
	live  pipeline.Templates
	clock clock
	log   logr.Logger
	bell
	// next is when an Exemption's status changes without anybody's doing.
	next time.Time
}

func newStatusWriter() *statusWriter {
	return &statusWriter{
		excuses: func(string, string) (*audit.ExemptionUsage, time.Time) { return nil, time.Time{} },
		now:     time.Now, bell: newBell(),
	}
}

// events kicks at every change, so that a status that somebody else wrote is put right.
func (w *statusWriter) events() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { w.kick() },
		UpdateFunc: func(any, any) { w.kick() },
	}
}

// run writes whenever kicked, until ctx ends.
func (w *statusWriter) run(ctx context.Context) {
	defer w.metric.clear()
	w.kick()
	for {
		// Time passes for Exemptions and for failures.
		timer := time.NewTimer(min(max(w.next.Sub(w.now()), 0)+time.Second, statusInterval))
		select {
		case <-ctx.Done():
		case <-w.bell:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		if err := w.write(ctx); err != nil && ctx.Err() == nil {
			w.log.Error(err, "Writing status failed, trying again")
			time.AfterFunc(statusRetry, w.kick)
		}
	}
}

// write brings every status up to date that is not.
func (w *statusWriter) write(ctx context.Context) error {
	compiled := w.last()
	if compiled == nil {
		return nil
	}
	sent := w.look(ctx, compiled)
	return errors.Join(w.writeGuardrails(ctx, compiled, sent), w.writeExemptions(ctx, compiled), w.writePolicies(ctx, compiled, sent))
}

func (w *statusWriter) writeGuardrails(ctx context.Context, compiled *outcome, sent *reached) error {
	var list v1alpha1.GuardrailList
	if err := w.client.List(ctx, &list); err != nil {
		return fmt.Errorf("listing Guardrails: %w", err)
	}
	conflicts, err := pipeline.Conflicts(ctx, compiled.snapshot, w.namespaces)
	if err != nil {
		return fmt.Errorf("looking for conflicts: %w", err)
	}
	notSent := 0
	for i := range list.Items {
		g := &list.Items[i]
		problem, wrong, known := compiled.of(key{config.KindGuardrail, g.Name}, g.Generation)
		if !known {
			continue // It will be compiled, and this be called again.
		}
		updated := g.DeepCopy()
		updated.Status.ObservedGeneration = g.Generation
		meta.SetStatusCondition(&updated.Status.Conditions, activeCondition(g.Generation, problem, wrong))
		if conflicting := conflictingCondition(g, conflicts[g.Name]); conflicting != nil {
			meta.SetStatusCondition(&updated.Status.Conditions, *conflicting)
		}
		setReached(&updated.Status.Conditions, sent.guardrail(g.Name, g.Generation), &notSent)
		if err := w.patch(ctx, g, updated); err != nil {
			return err
		}
		if err := w.recordInjection(ctx, updated, compiled.snapshot); err != nil {
			return err
		}
	}
	w.metric.found(config.KindGuardrail, notSent)
	return nil
}

// patch writes what differs of a status, if anything does.
func (w *statusWriter) patch(ctx context.Context, before, after client.Object) error {
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	err := w.client.Status().Patch(ctx, after, client.MergeFrom(before))
	if apierrors.IsNotFound(err) {
		w.log.V(1).Info("An object was gone before its status was written", "kind", kindOf(before), "name", before.GetName())
		return nil
	}
	if err != nil {
		return fmt.Errorf("status of %s %s: %w", kindOf(before), before.GetName(), err)
	}
	return nil
}

// activeCondition says what of a Guardrail is in force.
func activeCondition(generation int64, p config.Problem, wrong bool) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionActive, Status: metav1.ConditionTrue, ObservedGeneration: generation,
		Reason: v1alpha1.ReasonCompiled, Message: "Every binding is in force.",
	}
	switch {
	case wrong && p.Inactive:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonInvalid
		c.Message = "Nothing of this Guardrail is in force: " + problemText(p)
	case wrong:
		c.Reason = v1alpha1.ReasonPartlyInvalid
		c.Message = "Not all of this Guardrail is in force: " + problemText(p)
	}
	return c
}

// problemText names each field and what is wrong with it.
func problemText(p config.Problem) string {
	texts := make([]string, len(p.Errors))
	for i, err := range p.Errors {
		texts[i] = err.Error()
	}
	return decision.Line(strings.Join(texts, "; "), maxConditionMessage)
}
