package server

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

const (
	// failureGap lies at least between two reports of one Policy's failures.
	failureGap = time.Minute
	// maxFailures are waiting to be reported at most. There is one a Policy.
	maxFailures = 100
)

// failures writes into the status of Policies that they could not be evaluated. Every
// replica does, for the requests that it was asked about; a failure costs a request
// nothing but a note.
type failures struct {
	client client.Client
	now    func() time.Time
	log    logr.Logger

	mutex    sync.Mutex
	reported map[string]time.Time // by Policy
	waiting  map[string]string    // messages by Policy
	bell
}

func newFailures() *failures {
	return &failures{now: time.Now, reported: map[string]time.Time{}, waiting: map[string]string{}, bell: newBell()}
}

// Observe implements admission.Observer.
func (f *failures) Observe(o *admission.Observation) {
	if o.Decision == nil || o.Request.DryRun {
		return
	}
	for policy, err := range o.Decision.Errors {
		f.note(policy, err)
	}
}

// note takes a failure of a policy, of the users' own or not.
func (f *failures) note(policy string, err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.now().Sub(f.reported[policy]) < failureGap {
		return
	}
	if _, there := f.waiting[policy]; !there && len(f.waiting) >= maxFailures {
		return
	}
	f.waiting[policy] = err.Error()
	f.kick()
}

// run reports until ctx ends.
func (f *failures) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.bell:
		}
		for policy, message := range f.take() {
			if err := f.report(ctx, policy, message); err != nil && ctx.Err() == nil {
				f.log.Error(err, "Reporting the failure of a Policy failed", "policy", policy)
			}
		}
	}
}

func (f *failures) take() map[string]string {
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

// report leaves out what is no Policy: the library's have no status.
func (f *failures) report(ctx context.Context, policy, message string) error {
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
