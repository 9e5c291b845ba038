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
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
)

const (
	statusInterval      = time.Minute
	maxConditionMessage = 1000
)

// statusOptions configures a statusWriter.
type statusOptions struct {
	trigger *trigger
	client  client.Client
	// compiled returns the last compilation, or nil before the first one.
	compiled func() *outcome
	// usage returns the usage of an Exemption under a Snapshot, or nil if it has not been counted.
	usage func(snapshot, name string) (*audit.ExemptionUsage, time.Time)
	// namespaces returns the existing namespaces.
	namespaces func(context.Context) ([]decision.Namespace, error)
	// reachability is optional; without it, no condition Reached is written.
	reachability *reachability
	metrics      *metrics.Configuration
	now          func() time.Time
	// maxMode caps the modes on this replica.
	maxMode decision.Mode
	// live and clock read from the API server.
	live  pipeline.Templates
	clock clock
	log   logr.Logger
}

// statusWriter reports in the status of the configuration's objects whether they are in force. Only the leader
// writes; a replica that still believes it is the leader would write the same.
type statusWriter struct {
	statusOptions
	loop *loop
}

func newStatusWriter(o statusOptions) *statusWriter {
	w := &statusWriter{statusOptions: o}
	w.loop = newLoop(loopOptions{
		trigger: o.trigger, reconcile: w.write,
		failed: func(err error) { o.log.Error(err, "Failed to write status, retrying") },
	})
	return w
}

// run writes until ctx ends. It then clears the metric about objects that are not reached, which the next
// leader reports.
func (w *statusWriter) run(ctx context.Context) {
	defer w.metrics.ForgetUnreached()
	w.loop.run(ctx)
}

// statusEvents fires on every change, so that a status that anyone else has overwritten is corrected. What the audit
// writes is not.
func statusEvents(t *trigger) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { t.fire() },
		UpdateFunc: func(before, after any) {
			if !differOnlyInAudit(before, after) {
				t.fire()
			}
		},
	}
}

// differOnlyInAudit reports whether two versions of a Guardrail differ in nothing but status.audit.
func differOnlyInAudit(before, after any) bool {
	was, ok := before.(*v1alpha1.Guardrail)
	is, ok2 := after.(*v1alpha1.Guardrail)
	if !ok || !ok2 || equality.Semantic.DeepEqual(was.Status.Audit, is.Status.Audit) {
		return false
	}
	x, y := *was, *is
	for _, g := range []*v1alpha1.Guardrail{&x, &y} {
		g.Status.Audit, g.ResourceVersion, g.ManagedFields = nil, "", nil
	}
	return equality.Semantic.DeepEqual(x, y)
}

// write updates every status that is out of date. It returns the delay until the next status changes by time
// alone, as those of Exemptions and of failing Policies do.
func (w *statusWriter) write(ctx context.Context) (again time.Duration, err error) {
	compiled := w.compiled()
	if compiled == nil {
		return statusInterval, nil
	}
	sent := w.readReached(ctx, compiled)
	guardrails := w.writeGuardrails(ctx, compiled, sent)
	next, exemptions := w.writeExemptions(ctx, compiled)
	policies := w.writePolicies(ctx, compiled, sent)
	// Wait one second longer, because times in a status are whole seconds.
	return min(max(next.Sub(w.now()), 0)+time.Second, statusInterval), errors.Join(guardrails, exemptions, policies)
}

func (w *statusWriter) writeGuardrails(ctx context.Context, compiled *outcome, sent *reached) error {
	var list v1alpha1.GuardrailList
	if err := w.client.List(ctx, &list); err != nil {
		return fmt.Errorf("listing Guardrails: %w", err)
	}
	conflicts, err := configcheck.Conflicts(ctx, compiled.snapshot, w.namespaces)
	if err != nil {
		return fmt.Errorf("looking for conflicts: %w", err)
	}
	notSent := 0
	for i := range list.Items {
		g := &list.Items[i]
		problem, wrong, known := compiled.of(key{config.KindGuardrail, g.Name}, g.Generation)
		if !known {
			continue // the next compilation calls this again
		}
		updated := g.DeepCopy()
		updated.Status.ObservedGeneration, updated.Status.MaxMode = g.Generation, ceiling(w.maxMode)
		updated.Status.Mode = effectiveMode(g.Spec.Mode, w.maxMode)
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

// ceiling returns a maximum mode as it is written in a status. 0 means enforce.
func ceiling(maxMode decision.Mode) v1alpha1.Mode {
	if maxMode == 0 {
		maxMode = decision.ModeEnforce
	}
	return v1alpha1.Mode(maxMode.String())
}

// effectiveMode returns a mode capped at a maximum mode, or "" for one that is invalid.
func effectiveMode(mode v1alpha1.Mode, maxMode decision.Mode) v1alpha1.Mode {
	parsed, err := decision.ParseMode(string(mode))
	if err != nil {
		return ""
	}
	if maxMode != 0 {
		parsed = min(parsed, maxMode)
	}
	return v1alpha1.Mode(parsed.String())
}

// patch writes the difference between two versions of a status, if there is one.
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
		c.Message = "No part of this Guardrail is in force: " + problemText(p)
	case wrong:
		c.Reason = v1alpha1.ReasonPartlyInvalid
		c.Message = "Parts of this Guardrail are not in force: " + problemText(p)
	}
	return c
}

// problemText joins the errors of a problem. Each error names its field.
func problemText(p config.Problem) string {
	texts := make([]string, len(p.Errors))
	for i, err := range p.Errors {
		texts[i] = err.Error()
	}
	return decision.Line(strings.Join(texts, "; "), maxConditionMessage)
}
