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
	// errUndecided says that some of the input has no verdict; the report has named it.
	errUndecided = errors.New("part of the input could not be decided")
	// errNothing keeps a failed "helm template" in front of the pipe from passing.
	errNothing = errors.New(report.Nothing)
)

// decider takes items to their decisions.
type decider struct {
	catalog  *rego.Catalog
	snapshot *config.Snapshot
	// namespace is where objects go that name none.
	namespace string
	options   pipeline.Options
}

// decide hands over the outcome of every object of the input, in order and as soon as it
// is decided, whatever becomes of the others. It returns the first error of tell.
func (d *decider) decide(ctx context.Context, input *manifest.Input, tell func(*report.Report) error) error {
	facts := input.Facts(d.namespace)
	outcomes := ordered.Map(input.Items(), func(item manifest.Item) outcome { return d.outcome(ctx, item, facts) })
	for o := range outcomes {
		if err := tell(reportOf([]outcome{o})); err != nil {
			return err
		}
	}
	return nil
}

// outcome is what became of one item.
type outcome struct {
	// object is nil where there is no decision about the item.
	object   *report.Object
	problems []report.Problem
	warnings []report.Problem
	// skipped is nil for an item that is, or was meant to be, an object.
	skipped *report.Skipped
}

func reportOf(outcomes []outcome) *report.Report {
	report := &report.Report{}
	for _, o := range outcomes {
		if o.object != nil {
			report.Objects = append(report.Objects, *o.object)
		}
		report.Errors = append(report.Errors, o.problems...)
		report.Warnings = append(report.Warnings, o.warnings...)
		if o.skipped != nil {
			report.Skipped = append(report.Skipped, *o.skipped)
		}
	}
	return report
}

// outcomes decides items that are the whole input.
func (d *decider) outcomes(ctx context.Context, items []manifest.Item) []outcome {
	facts := manifest.FactsOf(slices.Values(items), d.namespace)
	outcomes := make([]outcome, len(items))
	for i, item := range items {
		outcomes[i] = d.outcome(ctx, item, facts)
	}
	return outcomes
}

func (d *decider) outcome(ctx context.Context, item manifest.Item, facts *manifest.Facts) (o outcome) {
	err := item.Err
	if reason, ok := errors.AsType[*manifest.NotObjectError](err); ok && item.Skipped() {
		return outcome{skipped: &report.Skipped{Source: item.Source, Reason: reason}}
	}
	for _, fault := range item.Warnings {
		o.warnings = append(o.warnings, faulty(item, fault))
	}
	if err == nil {
		err = d.one(ctx, &o, item, facts)
	}
	// An object that is no fact may still be decided, and the other way round.
	for _, err := range []error{err, manifest.FactError(item.Object)} {
		if err != nil {
			o.problems = append(o.problems, problems(item, err)...)
		}
	}
	return o
}

func (d *decider) one(ctx context.Context, o *outcome, item manifest.Item, facts *manifest.Facts) error {
	request, err := request.Manifest(item.Object, d.namespace)
	if err != nil {
		return err
	}
	decision, err := pipeline.New(d.snapshot, facts, d.options).Decide(ctx, request)
	if err != nil {
		return err
	}
	o.object = &report.Object{Source: item.Source, Item: item, Request: request, Decision: decision}
	for _, id := range slices.Sorted(maps.Keys(decision.Errors)) {
		if failsClosed(decision, id) {
			continue // The decision is what the cluster's would be, and its finding says why.
		}
		o.problems = append(o.problems, problem(item.Source, evaluationError(request, id, decision.Errors[id])))
	}
	return nil
}

// failsClosed reports whether an object that a policy cannot decide was decided anyway.
func failsClosed(d *decision.Decision, policy string) bool {
	return slices.ContainsFunc(d.Findings, func(f decision.Finding) bool { return f.Policy == policy && f.Failed && !f.FailOpen && f.Unknown == "" })
}

// evaluationError leaves out what the engine says about a Secret: it may quote a value.
func evaluationError(request *decision.Request, policy string, err error) error {
	if request.Kind.Group == "" && request.Kind.Kind == "Secret" {
		return fmt.Errorf("policy %s could not be evaluated", policy)
	}
	return fmt.Errorf("policy %s could not be evaluated: %w", policy, err)
}

// problems point at the fields that an error is about.
func problems(item manifest.Item, err error) []report.Problem {
	if refused, ok := errors.AsType[*manifest.RefusedError](err); ok {
		all := make([]report.Problem, 0, len(refused.Faults))
		for _, fault := range refused.Faults {
			all = append(all, faulty(item, fault))
		}
		return all
	}
	at := item.Source
	if wrong, ok := errors.AsType[*request.FieldError](err); ok {
		at.Line = item.LineOf(wrong.Path)
	}
	return []report.Problem{problem(at, err)}
}

func faulty(item manifest.Item, fault manifest.Fault) report.Problem {
	return report.Problem{Source: manifest.Source{File: item.Source.File, Line: fault.Line}, Message: decision.Redact(fault.String())}
}

func problem(at manifest.Source, err error) report.Problem {
	return report.Problem{Source: at, Message: decision.Redact(err.Error())}
}

// verdict is the error that makes the exit code. Violations come second to input that
// was not decided: a pipeline that treats 1 as "known and accepted" must not pass it.
func verdict(s report.Summary, failOn decision.Verdict) error {
	switch {
	case s.Errors > 0:
		return errUndecided
	case s.IsEmpty():
		return errNothing
	case s.Fails(failOn):
		return errViolations
	}
	return nil
}
