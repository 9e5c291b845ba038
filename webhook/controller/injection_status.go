package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

const (
	// maxPeriods limits the recorded periods of a Guardrail. The oldest ended periods are dropped first; Pods
	// with templates from that time are then not injected into.
	maxPeriods = 20
	// maxRecorded limits the recorded namespaces of a Guardrail.
	maxRecorded = 2000
)

// clock returns the API server's time.
type clock interface {
	Now(ctx context.Context) (time.Time, error)
}

// recordInjection records where and since when the injections of a Guardrail are enforced. Pods of older
// templates are exempt, so the record must not overwrite one that is based on another version of the Guardrail;
// the event of that version triggers the next attempt.
func (w *statusWriter) recordInjection(ctx context.Context, g *v1alpha1.Guardrail, compiled *config.Snapshot) error {
	injecting := compiled.Injecting(w.maxMode)[g.Name]
	if len(injecting) == 0 && g.Status.Injection == nil {
		return nil
	}
	r := &injectionRecord{ctx: ctx, clock: w.clock, live: w.live, before: g.Status.Injection, spec: &g.Spec, injecting: injecting}
	if len(injecting) > 0 {
		all, err := w.namespaces(ctx)
		if err != nil {
			return fmt.Errorf("listing the namespaces: %w", err)
		}
		r.selected = compiled.Selected(g.Name, all)
	}
	record, err := r.make()
	if err != nil {
		return fmt.Errorf("recording since when Guardrail %s injects: %w", g.Name, err)
	}
	if equality.Semantic.DeepEqual(record, g.Status.Injection) {
		return nil
	}
	updated := g.DeepCopy()
	updated.Status.Injection = record
	err = w.client.Status().Patch(ctx, updated, client.MergeFromWithOptions(g, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		w.log.V(1).Info("A Guardrail changed before its injections were recorded", "guardrail", g.Name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("status of Guardrail %s: %w", g.Name, err)
	}
	return nil
}

// injectionRecord computes a record from the previous one.
type injectionRecord struct {
	ctx    context.Context //nolint:containedctx // it lives no longer than one call
	clock  clock
	live   pipeline.Templates
	before *v1alpha1.Injection
	spec   *v1alpha1.GuardrailSpec
	// injecting lists the bindings that are enforced now. selected lists the selected namespaces.
	injecting []config.Injecting
	selected  []decision.Namespace

	now metav1.Time
	err error
}

// time returns the API server's time. It is read at most once, and only if something has changed.
func (r *injectionRecord) time() metav1.Time {
	if r.now.IsZero() && r.err == nil {
		var now time.Time
		now, r.err = r.clock.Now(r.ctx)
		r.now = metav1.NewTime(now)
	}
	return r.now
}

// make returns the record, or nil if no binding injects.
func (r *injectionRecord) make() (*v1alpha1.Injection, error) {
	if len(r.injecting) == 0 {
		return nil, nil
	}
	record := &v1alpha1.Injection{
		Periods:           r.periods(),
		NamespaceSelector: r.spec.NamespaceSelector.DeepCopy(), ExcludeNamespaces: slices.Clone(r.spec.ExcludeNamespaces),
	}
	if r.sameSelection() {
		record.SelectionSince = r.before.SelectionSince
	} else {
		record.SelectionSince = r.time()
	}
	since := r.listed()
	if config.SelectsEverywhere(r.spec) {
		everywhere := r.everywhereBefore()
		if everywhere == nil {
			now := r.time()
			everywhere = &now
		}
		record.Everywhere = everywhere
		r.addIncluded(since)
	} else {
		r.addSelected(since)
	}
	record.Namespaces, record.Unrecorded = grouped(since)
	return record, r.err
}

// periods continues the recorded periods. A period begins when a policy is enforced with new parameters, and
// ends when it is not enforced with them any longer. If a policy is not enforced at all, its periods are
// dropped.
func (r *injectionRecord) periods() []v1alpha1.InjectionPeriod {
	var periods []v1alpha1.InjectionPeriod
	if r.before != nil {
		for _, period := range r.before.Periods {
			if !slices.ContainsFunc(r.injecting, func(i config.Injecting) bool { return i.Policy == period.Policy }) {
				continue
			}
			if period.Until == nil && !slices.ContainsFunc(r.injecting, func(i config.Injecting) bool { return samePeriod(&period, &i) }) {
				now := r.time()
				period.Until = &now
			}
			periods = append(periods, period)
		}
	}
	for _, i := range r.injecting {
		open := func(p v1alpha1.InjectionPeriod) bool { return p.Until == nil && samePeriod(&p, &i) }
		if !slices.ContainsFunc(periods, open) {
			periods = append(periods, v1alpha1.InjectionPeriod{Policy: i.Policy, Parameters: i.Parameters, Since: r.time()})
		}
	}
	for len(periods) > maxPeriods {
		ended := slices.IndexFunc(periods, func(p v1alpha1.InjectionPeriod) bool { return p.Until != nil })
		if ended < 0 {
			break // all bound instances found
		}
		periods = slices.Delete(periods, ended, ended+1)
	}
	return periods
}

func samePeriod(p *v1alpha1.InjectionPeriod, i *config.Injecting) bool {
	var a, b any
	return p.Policy == i.Policy && kjson.UnmarshalCaseSensitivePreserveInts(p.Parameters.Raw, &a) == nil &&
		kjson.UnmarshalCaseSensitivePreserveInts(i.Parameters.Raw, &b) == nil && equality.Semantic.DeepEqual(a, b)
}

func (r *injectionRecord) sameSelection() bool {
	return r.before != nil && config.RecordsSelection(r.before, r.spec)
}

func (r *injectionRecord) everywhereBefore() *metav1.Time {
	if r.before == nil {
		return nil
	}
	return r.before.Everywhere.DeepCopy()
}

// listed returns the recorded namespaces that are still selected. A namespace that was created after its record
// is a different one of the same name.
func (r *injectionRecord) listed() map[string]metav1.Time {
	since := map[string]metav1.Time{}
	if r.before == nil {
		return since
	}
	created := make(map[string]time.Time, len(r.selected))
	for _, namespace := range r.selected {
		created[namespace.Name] = namespace.Created
	}
	for _, group := range r.before.Namespaces {
		for _, name := range group.Names {
			if at, selected := created[name]; selected && !group.Since.Time.Before(at) {
				since[name] = group.Since
			}
		}
	}
	return since
}

// addIncluded adds the namespaces that the spec no longer excludes.
func (r *injectionRecord) addIncluded(since map[string]metav1.Time) {
	if r.everywhereBefore() == nil {
		return
	}
	for _, namespace := range r.selected {
		if slices.Contains(r.before.ExcludeNamespaces, namespace.Name) {
			since[namespace.Name] = r.later(namespace)
		}
	}
}

// later returns now, or the second after the namespace's creation if that is later. A record of the second of
// creation would mean that the namespace was created with its labels.
func (r *injectionRecord) later(namespace decision.Namespace) metav1.Time {
	if now := r.time(); now.After(namespace.Created) {
		return now
	}
	return metav1.NewTime(namespace.Created.Add(time.Second))
}

// addSelected adds the namespaces that the selector newly selects.
func (r *injectionRecord) addSelected(since map[string]metav1.Time) {
	everywhere := r.everywhereBefore()
	for _, namespace := range r.selected {
		if _, listed := since[namespace.Name]; listed {
			continue
		}
		switch {
		case everywhere != nil && !slices.Contains(r.before.ExcludeNamespaces, namespace.Name):
			since[namespace.Name] = *everywhere
		default:
			since[namespace.Name] = r.selectedSince(namespace)
		}
	}
}

// selectedSince returns since when a namespace has had the selected labels, or now if that is unknown.
func (r *injectionRecord) selectedSince(namespace decision.Namespace) metav1.Time {
	if !r.sameSelection() {
		return r.later(namespace)
	}
	// The selector is the same, so the previous record applies.
	before := config.NewInjection(&v1alpha1.Guardrail{Spec: *r.spec, Status: v1alpha1.GuardrailStatus{Injection: r.before}}, nil)
	if !before.LabelsDateSelection(namespace) {
		return r.later(namespace)
	}
	labeled, known, err := pipeline.LabeledSince(r.ctx, r.live, namespace.Name)
	if err != nil {
		r.err = err
	}
	if known && before.SelectsSince(labeled, namespace) {
		return metav1.NewTime(labeled)
	}
	return r.later(namespace)
}

// grouped groups namespaces by the time since when they are selected. It returns at most maxRecorded of them,
// and the number of the others.
func grouped(since map[string]metav1.Time) (groups []v1alpha1.InjectionNamespaces, unrecorded int32) {
	names := slices.SortedFunc(maps.Keys(since), func(a, b string) int {
		if order := since[a].Compare(since[b].Time); order != 0 {
			return order
		}
		return strings.Compare(a, b)
	})
	if over := len(names) - maxRecorded; over > 0 {
		names, unrecorded = names[:maxRecorded], int32(over)
	}
	for _, name := range names {
		at := since[name]
		if last := len(groups) - 1; last >= 0 && groups[last].Since.Time.Equal(at.Time) {
			groups[last].Names = append(groups[last].Names, name)
			continue
		}
		groups = append(groups, v1alpha1.InjectionNamespaces{Since: at, Names: []string{name}})
	}
	return groups, unrecorded
}
