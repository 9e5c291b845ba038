package controller

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
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
)

const (
	statusInterval      = time.Minute
	maxConditionMessage = 1000
)

// statusOptions are what a statusWriter is made from.
type statusOptions struct {
	trigger *trigger
	client  client.Client
	// compiled returns what was compiled last, nil before the first time.
	compiled func() *outcome
	// usage returns what was counted for an Exemption of a Snapshot, nil before it was.
	usage func(snapshot, name string) (*audit.ExemptionUsage, time.Time)
	// namespaces returns the existing namespaces.
	namespaces func(context.Context) ([]decision.Namespace, error)
	// reachability may be nil: then no condition Reached is written.
	reachability *reachability
	metrics      *metrics.Configuration
	now          func() time.Time
	// maxMode is the ceiling of this replica.
	maxMode decision.Mode
	// live and clock are the API server's.
	live  pipeline.Templates
	clock clock
	log   logr.Logger
}

// statusWriter reports to the authors of the configuration what became of it. Only the leader
// writes; a replica that believes to lead for a moment longer writes the same.
type statusWriter struct {
	statusOptions
	loop *loop
}

func newStatusWriter(o statusOptions) *statusWriter {
	w := &statusWriter{statusOptions: o}
	w.loop = newLoop(loopOptions{
		trigger: o.trigger, reconcile: w.write,
		failed: func(err error) { o.log.Error(err, "Writing status failed, trying again") },
	})
	return w
}

// run writes until ctx ends. Another replica then serves the metrics of what is not reached.
func (w *statusWriter) run(ctx context.Context) {
	defer w.metrics.ForgetUnreached()
	w.loop.run(ctx)
}

// statusEvents fires at every change, so that a status that somebody else wrote is corrected.
func statusEvents(t *trigger) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { t.fire() },
		UpdateFunc: func(any, any) { t.fire() },
	}
}

// write updates every status that is out of date. It returns when the next one will be, because
// time passes for Exemptions and for failures.
func (w *statusWriter) write(ctx context.Context) (again time.Duration, err error) {
	compiled := w.compiled()
	if compiled == nil {
		return statusInterval, nil
	}
	sent := w.readReached(ctx, compiled)
	guardrails := w.writeGuardrails(ctx, compiled, sent)
	next, exemptions := w.writeExemptions(ctx, compiled)
	policies := w.writePolicies(ctx, compiled, sent)
	// A second later than the end: times in a status are whole seconds.
	return min(max(next.Sub(w.now()), 0)+time.Second, statusInterval), errors.Join(guardrails, exemptions, policies)
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
		updated.Status.ObservedGeneration, updated.Status.MaxMode = g.Generation, ceiling(w.maxMode)
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
	w.metrics.Unreached(config.KindGuardrail, notSent)
	return nil
}

// ceiling returns a maximum mode as it is written in a status. 0 means no ceiling.
func ceiling(maxMode decision.Mode) v1alpha1.Mode {
	if maxMode == 0 {
		maxMode = decision.ModeEnforce
	}
	return v1alpha1.Mode(maxMode.String())
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

// activeCondition returns the condition Active of a Guardrail.
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

// problemText joins the errors of a problem, each of which names its field.
func problemText(p config.Problem) string {
	texts := make([]string, len(p.Errors))
	for i, err := range p.Errors {
		texts[i] = err.Error()
	}
	return decision.Line(strings.Join(texts, "; "), maxConditionMessage)
}
