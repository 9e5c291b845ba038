package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/manifest/ordered"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/report"
	"taffrail.dev/webhook/request"
)

var (
	// errUndecided is returned if a part of the input has no verdict. The report contains the
	// details.
	errUndecided = errors.New("some of the input could not be decided")
	// errNoObjects is returned for an empty input, so that a pipe from a failed "helm template"
	// does not pass.
	errNoObjects = errors.New(report.NoObjects)
)

// decider decides the items of an input.
type decider struct {
	catalog  *rego.Catalog
	snapshot *config.Snapshot
	// namespace is the namespace of objects that do not specify one.
	namespace string
	// ownerLabels name the owner of an object.
	ownerLabels []string
	source      *source
	options     pipeline.Options
}

// facts returns the facts of the input and, if the source has any, those of the source below them.
func (d *decider) facts(input *manifest.Facts) pipeline.FactSource {
	if d.source.facts == nil {
		return input
	}
	return input.Over(d.source.facts)
}

// conclude returns the error that determines the exit code: that of the verdicts, unless something
// that they depend on could not be read.
func (d *decider) conclude(s report.Summary, failOn decision.Verdict) error {
	err := verdict(s, failOn)
	unread := d.source.unread()
	if len(unread) > 0 && errors.Is(err, errViolations) {
		err = nil
	}
	return errors.Join(append(unread, err)...)
}

// decide emits the outcome of every object of the input, in order and as soon as it is decided.
// An object that cannot be decided does not stop the others. It returns the first error of emit.
func (d *decider) decide(ctx context.Context, input *manifest.Input, emit func(*report.Report) error) error {
	facts := d.facts(input.Facts(d.namespace))
	outcomes := ordered.Map(input.Items(), func(item manifest.Item) outcome { return d.outcome(ctx, item, facts) })
	for o := range outcomes {
		if err := emit(reportOf([]outcome{o})); err != nil {
			return err
		}
	}
	return nil
}

// outcome is the result for one item.
type outcome struct {
	// object is nil if there is no decision about the item.
	object   *report.Object
	problems []report.Problem
	warnings []report.Problem
	// skipped is nil if the item is an object or was meant to be one.
	skipped *report.Skipped
}

func reportOf(outcomes []outcome) *report.Report {
	all := &report.Report{}
	for _, o := range outcomes {
		if o.object != nil {
			all.Objects = append(all.Objects, *o.object)
		}
		all.Errors = append(all.Errors, o.problems...)
		all.Warnings = append(all.Warnings, o.warnings...)
		if o.skipped != nil {
			all.Skipped = append(all.Skipped, *o.skipped)
		}
	}
	return all
}

// outcomes decides items that are the whole input.
func (d *decider) outcomes(ctx context.Context, items []manifest.Item) []outcome {
	facts := d.facts(manifest.FactsOf(slices.Values(items), d.namespace))
	outcomes := make([]outcome, len(items))
	for i, item := range items {
		outcomes[i] = d.outcome(ctx, item, facts)
	}
	return outcomes
}

func (d *decider) outcome(ctx context.Context, item manifest.Item, facts pipeline.FactSource) (o outcome) {
	err := item.Err
	if reason, ok := errors.AsType[*manifest.NotObjectError](err); ok && item.Skipped() {
		return outcome{skipped: &report.Skipped{Source: item.Source, Reason: reason}}
	}
	for _, fault := range item.Warnings {
		o.warnings = append(o.warnings, faultProblem(item, fault))
	}
	if err == nil {
		err = d.decideItem(ctx, &o, item, facts)
	}
	// An object whose facts cannot be read may still be decided, and vice versa.
	for _, err := range []error{err, manifest.FactError(item.Object)} {
		if err != nil {
			o.problems = append(o.problems, problems(item, err)...)
		}
	}
	return o
}

func (d *decider) decideItem(ctx context.Context, o *outcome, item manifest.Item, facts pipeline.FactSource) error {
	request, err := request.Manifest(item.Object, d.namespace)
	if err != nil {
		return err
	}
	decision, err := pipeline.New(d.snapshot, facts, d.options).Decide(ctx, request)
	if err != nil {
		return err
	}
	o.object = &report.Object{Source: item.Source, Item: item, Request: request, Decision: decision, Owner: d.owner(ctx, request, facts)}
	for _, id := range slices.Sorted(maps.Keys(decision.Errors)) {
		if failsClosed(decision, id) {
			continue // The decision is the same as in the cluster, and its finding contains the reason.
		}
		o.problems = append(o.problems, problemOf(item.Source, evaluationError(request, id, decision.Errors[id])))
	}
	return nil
}

// owner returns who owns an object, or "".
func (d *decider) owner(ctx context.Context, r *decision.Request, facts pipeline.FactSource) string {
	// Whatever keeps the labels of the namespace from being read is an error of the decision.
	namespace, _ := facts.Namespace(ctx, r.Namespace.Name)
	return r.Owner(d.ownerLabels, &namespace)
}

// failsClosed reports whether the failure of a policy resulted in a denial.
func failsClosed(d *decision.Decision, policy string) bool {
	return slices.ContainsFunc(d.Findings, func(f decision.Finding) bool { return f.Policy == policy && f.Failed && !f.FailOpen && f.Unknown == "" })
}

// evaluationError omits the error of the Rego evaluation for a Secret, because it may quote a
// value.
func evaluationError(request *decision.Request, policy string, err error) error {
	if request.Kind.Group == "" && request.Kind.Kind == "Secret" {
		return fmt.Errorf("policy %s could not be evaluated", policy)
	}
	return fmt.Errorf("policy %s could not be evaluated: %w", policy, err)
}

// problems returns a problem for each field that an error is about.
func problems(item manifest.Item, err error) []report.Problem {
	if refused, ok := errors.AsType[*manifest.RefusedError](err); ok {
		all := make([]report.Problem, 0, len(refused.Faults))
		for _, fault := range refused.Faults {
			all = append(all, faultProblem(item, fault))
		}
		return all
	}
	at := item.Source
	if wrong, ok := errors.AsType[*request.FieldError](err); ok {
		at.Line = item.LineOf(wrong.Path)
	}
	return []report.Problem{problemOf(at, err)}
}

func faultProblem(item manifest.Item, fault manifest.Fault) report.Problem {
	return report.Problem{Source: manifest.Source{File: item.Source.File, Line: fault.Line}, Message: decision.Redact(fault.String())}
}

func problemOf(at manifest.Source, err error) report.Problem {
	return report.Problem{Source: at, Message: decision.Redact(err.Error())}
}

// verdict returns the error that determines the exit code. Undecided input takes precedence over
// violations: a pipeline that treats 1 as "known and accepted" must not pass it.
func verdict(s report.Summary, failOn decision.Verdict) error {
	switch {
	case s.Errors > 0:
		return errUndecided
	case s.IsEmpty():
		return errNoObjects
	case s.Fails(failOn):
		return errViolations
	}
	return nil
}
