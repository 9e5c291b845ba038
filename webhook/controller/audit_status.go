package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/decision"
)

const (
	// auditStatusPause is the minimum time between two writes of the status of a Guardrail.
	auditStatusPause = 5 * time.Second
	// completedInterval is how often the time of the audit is written while nothing else changes, so that an audit that
	// has ended is seen to grow old.
	completedInterval = 10 * time.Minute
	// maxUnread and maxAuditFindings limit what a status lists.
	maxUnread        = 20
	maxAuditFindings = 300
)

// auditStatusOptions configures an auditStatus.
type auditStatusOptions struct {
	trigger    *trigger
	client     client.Client
	auditor    *audit.Auditor
	namespaces func(context.Context) ([]decision.Namespace, error)
	// reports returns why reports are not written, or "".
	reports func() string
	// begin is called once everything was decided.
	begin func()
	now   func() time.Time
	log   logr.Logger
}

// auditStatus writes status.audit of Guardrails.
type auditStatus struct {
	auditStatusOptions
	loop *loop
	// completed is when everything was decided last. It is used by the loop alone.
	completed time.Time
	current   bool
}

func newAuditStatus(o auditStatusOptions) *auditStatus {
	s := &auditStatus{auditStatusOptions: o}
	s.loop = newLoop(loopOptions{
		trigger: o.trigger, reconcile: s.write, pause: auditStatusPause,
		failed: func(err error) { o.log.Error(err, "Failed to write what the audit found, retrying") },
	})
	return s
}

// write updates every status that is out of date.
func (s *auditStatus) write(ctx context.Context) (again time.Duration, err error) {
	state := s.auditor.State()
	now := s.now()
	current := state.Current(now)
	if current && (!s.current || s.completed.Before(state.Completed) || now.Sub(s.completed) >= completedInterval) {
		s.completed = now
	}
	s.current = current
	if state.Complete {
		s.begin()
	}
	var list v1alpha1.GuardrailList
	if err := s.client.List(ctx, &list); err != nil {
		return 0, fmt.Errorf("listing Guardrails: %w", err)
	}
	namespaces, err := s.namespaces(ctx)
	if err != nil {
		return 0, fmt.Errorf("listing namespaces: %w", err)
	}
	found := s.auditor.ByGuardrail(namespaces)
	if found == nil {
		return statusInterval, nil
	}
	var errs []error
	for i := range list.Items {
		g := &list.Items[i]
		updated := g.DeepCopy()
		// A Guardrail that is not in force has no audit.
		updated.Status.Audit = nil
		if one := found[g.Name]; one != nil {
			updated.Status.Audit = s.statusOf(g, one, &state)
		}
		if sameAudit(g.Status.Audit, updated.Status.Audit) {
			continue
		}
		if err := client.IgnoreNotFound(s.client.Status().Patch(ctx, updated, client.MergeFrom(g))); err != nil && !apierrors.IsConflict(err) {
			errs = append(errs, fmt.Errorf("status of Guardrail %s: %w", g.Name, err))
		}
	}
	return statusInterval, errors.Join(errs...)
}

// statusOf returns the status of a Guardrail. Until everything was decided once, the findings of an earlier audit stay.
func (s *auditStatus) statusOf(g *v1alpha1.Guardrail, found *audit.GuardrailFindings, state *audit.State) *v1alpha1.Audit {
	status := &v1alpha1.Audit{}
	if !state.Complete && g.Status.Audit != nil && g.Status.Audit.CompletedAt != nil {
		status = g.Status.Audit.DeepCopy()
	} else {
		status.Objects, status.Violating = int64(found.Objects), int64(found.Violating)
		status.Findings = policyFindings(found.Policies)
		if g.Status.Audit != nil {
			status.CompletedAt = g.Status.Audit.CompletedAt
		}
	}
	if state.Complete && !s.completed.IsZero() {
		at := metav1.NewTime(s.completed)
		status.CompletedAt = &at
	}
	status.Current, status.Unread = s.current, unreadKinds(state.Unread)
	status.Message = s.message(state)
	return status
}

func policyFindings(found []audit.PolicyFindings) []v1alpha1.AuditFindings {
	all := make([]v1alpha1.AuditFindings, 0, len(found))
	for _, f := range found {
		all = append(all, v1alpha1.AuditFindings{Policy: f.Policy, Mode: v1alpha1.Mode(f.Mode.String()), Findings: int64(f.Findings), Objects: int64(f.Objects)})
	}
	slices.SortStableFunc(all, func(a, b v1alpha1.AuditFindings) int { return cmp.Compare(b.Findings, a.Findings) })
	return all[:min(len(all), maxAuditFindings)]
}

func unreadKinds(unread []audit.Unread) []v1alpha1.AuditUnread {
	var all []v1alpha1.AuditUnread
	for _, u := range unread[:min(len(unread), maxUnread)] {
		reason := "This cluster does not serve it."
		if !u.NotServed {
			reason = decision.Line(u.Err.Error(), maxName)
		}
		all = append(all, v1alpha1.AuditUnread{Kind: u.Kind.String(), Reason: reason})
	}
	return all
}

// message describes in one line how far the audit has come, and what it could not do.
func (s *auditStatus) message(state *audit.State) string {
	var parts []string
	switch {
	case !state.Complete:
		parts = append(parts, "The first pass is under way.")
	case !s.current && slices.ContainsFunc(state.Unread, func(u audit.Unread) bool { return !u.NotServed && !audit.Refused(u.Err) }):
		parts = append(parts, "The API server does not let changes of every kind be read.")
	case !s.current:
		parts = append(parts, "Objects are decided again, because something that they depend on has changed.")
	}
	if more := len(state.Unread) - maxUnread; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more kinds could not be read.", more))
	}
	if state.Undecided > 0 {
		parts = append(parts, fmt.Sprintf("Objects that could not be decided: %d; the log of the auditor names them.", state.Undecided))
	}
	if problem := s.reports(); problem != "" {
		parts = append(parts, problem)
	}
	return decision.Line(strings.Join(parts, " "), maxConditionMessage)
}

// sameAudit reports whether two statuses are equal. Times in a status are whole seconds.
func sameAudit(a, b *v1alpha1.Audit) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := a.DeepCopy(), b.DeepCopy()
	for _, status := range []*v1alpha1.Audit{x, y} {
		if status.CompletedAt != nil {
			at := metav1.Unix(status.CompletedAt.Unix(), 0)
			status.CompletedAt = &at
		}
		if len(status.Findings) == 0 {
			status.Findings = nil
		}
	}
	return equality.Semantic.DeepEqual(x, y)
}
