package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
)

const (
	// failureGap is the minimum time between two reports of one Policy's failures.
	failureGap = time.Minute
	// maxFailures limits the number of Policies whose failure is waiting to be reported.
	maxFailures = 100
)

// policyFailuresOptions configures policyFailures.
type policyFailuresOptions struct {
	trigger *trigger
	client  client.Client
	now     func() time.Time
	log     logr.Logger
}

// policyFailures reports in the status of Policies that they could not be evaluated. Every replica does so for
// its own requests, in the background. It implements admission.Observer.
type policyFailures struct {
	policyFailuresOptions
	loop *loop

	mutex    sync.Mutex
	reported map[string]time.Time // by Policy name
	waiting  map[string]string    // messages by Policy name
}

func newPolicyFailures(o policyFailuresOptions) *policyFailures {
	f := &policyFailures{policyFailuresOptions: o, reported: map[string]time.Time{}, waiting: map[string]string{}}
	f.loop = newLoop(loopOptions{
		trigger:   o.trigger,
		reconcile: func(ctx context.Context) (time.Duration, error) { f.reportAll(ctx); return 0, nil },
		failed:    func(err error) { o.log.Error(err, "Failed to report the failures of Policies") },
	})
	return f
}

// Observe implements admission.Observer.
func (f *policyFailures) Observe(o *admission.Observation) {
	if o.Decision == nil || o.Request.DryRun {
		return
	}
	for policy, err := range o.Decision.Errors {
		f.note(policy, err)
	}
}

// note records the failure of a policy until it is reported, unless it was reported recently.
func (f *policyFailures) note(policy string, err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.now().Sub(f.reported[policy]) < failureGap {
		return
	}
	if _, there := f.waiting[policy]; !there && len(f.waiting) >= maxFailures {
		return
	}
	f.waiting[policy] = failureMessage(err)
	f.trigger.fire()
}

// failureMessage returns the text of an error, and for an exhausted budget what its author can do.
func failureMessage(err error) string {
	exhausted, ok := errors.AsType[*compile.BudgetError](err)
	if !ok {
		return err.Error()
	}
	most := int64(v1alpha1.MaxBudgetSteps)
	if exhausted.Resource == compile.Bytes {
		most = v1alpha1.MaxBudgetBytes
	}
	return fmt.Sprintf("%v; taffrail test shows what the cases of the Policy use, and spec.budget.%s can be up to %s", err, exhausted.Resource, compile.Thousands(most))
}

// reportAll reports the recorded failures. A failed report is not retried: if the Policy keeps failing, the
// next request records it again.
func (f *policyFailures) reportAll(ctx context.Context) {
	for policy, message := range f.take() {
		if err := f.report(ctx, policy, message); err != nil && ctx.Err() == nil {
			f.log.Error(err, "Failed to report the failure of a Policy", "policy", policy)
		}
	}
}

func (f *policyFailures) take() map[string]string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	taken := f.waiting
	f.waiting = map[string]string{}
	now := f.now()
	for policy := range f.reported {
		if now.Sub(f.reported[policy]) >= failureGap {
			delete(f.reported, policy)
		}
	}
	for policy := range taken {
		f.reported[policy] = now
	}
	return taken
}

// report writes the failure to the status of a Policy. The library's policies are not objects and have no
// status.
func (f *policyFailures) report(ctx context.Context, policy, message string) error {
	p := &v1alpha1.Policy{}
	if err := f.client.Get(ctx, client.ObjectKey{Name: policy}, p); err != nil {
		return client.IgnoreNotFound(err)
	}
	updated := p.DeepCopy()
	updated.Status.LastFailure = &v1alpha1.EvaluationFailure{
		Generation: p.Generation, Time: metav1.NewTime(f.now()), Message: decision.Line(message, maxConditionMessage),
	}
	return client.IgnoreNotFound(f.client.Status().Patch(ctx, updated, client.MergeFrom(p)))
}
