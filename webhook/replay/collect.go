package replay

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/replay/auditlog"
	"taffrail.dev/webhook/request"
)

// Collector makes a Report of Results, in limited memory.
type Collector struct {
	options CollectorOptions
	report  Report

	reasons                              map[string]int64
	namespaces, policies, writers, kinds groups
	hours                                map[int64]*Hour
	workloads                            map[string]*Workload
	changes                              map[string]*Change
}

// CollectorOptions selects the Results that count.
type CollectorOptions struct {
	// Since is the time before which writes do not count; zero means no limit.
	Since time.Time
	// Namespaces are the ones whose writes count; empty means all.
	Namespaces []string
	// Against is true if there is a second configuration.
	Against bool
}

// The numbers of entries that a Report keeps. Names are chosen by whoever writes objects.
const (
	maxWorkloads = 2000
	maxGroups    = 2000
	maxHours     = 366 * 24
	maxWriters   = 3
	maxReasons   = 100
)

// NewCollector returns a Collector without Results.
func NewCollector(o CollectorOptions) *Collector {
	c := &Collector{
		options: o, reasons: map[string]int64{}, namespaces: groups{}, policies: groups{}, writers: groups{}, kinds: groups{},
		hours: map[int64]*Hour{}, workloads: map[string]*Workload{}, changes: map[string]*Change{},
	}
	if o.Against {
		c.report.Changes = &Changes{}
	}
	return c
}

// Cover counts what the log has of a write. Add does so too.
func (c *Collector) Cover(e *auditlog.Event) {
	if c.counts(e) {
		c.report.Coverage.Add(e)
	}
}

func (c *Collector) counts(e *auditlog.Event) bool {
	namespace := e.Object.Namespace
	return !e.Completed.Before(c.options.Since) && (len(c.options.Namespaces) == 0 || slices.Contains(c.options.Namespaces, namespace))
}

// Add counts a Result.
func (c *Collector) Add(r *Result) {
	if !c.counts(r.Event) {
		return
	}
	c.Cover(r.Event)
	n := &c.report.Counts
	switch r.Status {
	case StatusNotSent:
		n.NotSent++
	case StatusDryRun:
		n.DryRuns++
	case StatusUnreached:
		n.Unreached++
	case StatusUnknown:
		n.Sent++
		n.Unknown++
		c.reason(r.Reason)
		c.group(r, decision.VerdictUnknown, false)
	case StatusDecided:
		n.Sent++
		if r.Refused {
			n.Refused++
		}
		c.decided(r)
	}
}

func (c *Collector) reason(reason string) {
	if _, known := c.reasons[reason]; known || len(c.reasons) < maxReasons {
		c.reasons[reason]++
	}
}

// decided counts a Result with Outcomes: by the first one, and by what differs in the second.
func (c *Collector) decided(r *Result) {
	first := &r.Outcomes[0]
	n := &c.report.Counts
	if err := first.Err; err != nil {
		n.Unknown++
		c.reason("it could not be decided: " + decision.Redact(err.Error()))
		c.group(r, decision.VerdictUnknown, false)
		return
	}
	if first.Unbound() {
		n.Unbound++
	} else {
		verdict, filled := first.Verdict(), fills(first)
		switch verdict {
		case decision.VerdictDeny:
			n.Deny++
		case decision.VerdictUnknown:
			n.Unknown++
		case decision.VerdictWarn:
			n.Warn++
		case decision.VerdictAllow:
			n.Allow++
		}
		if filled {
			n.Filled++
		}
		c.group(r, verdict, filled)
		c.groupPolicies(first)
		found := shown(first)
		if verdict == decision.VerdictUnknown && !slices.ContainsFunc(found, func(f Finding) bool { return !f.lacksFacts }) {
			c.reason(found[0].Unknown)
		} else if verdict > decision.VerdictAllow && c.report.Changes == nil {
			c.workload(r, verdict, found)
		}
	}
	if len(r.Outcomes) > 1 && r.Outcomes[1].Err == nil {
		c.change(r)
	}
}

// fills reports whether values would be injected into a new Pod.
func fills(o *Outcome) bool {
	return o.Mutating != nil && slices.ContainsFunc(o.Mutating.Fills, func(f decision.Fill) bool { return f.Mode == decision.ModeEnforce })
}

func (c *Collector) group(r *Result, verdict decision.Verdict, filled bool) {
	in := r.Event.Object.Namespace
	if in == "" {
		in = "(cluster-scoped)"
	}
	c.namespaces.add(in, verdict, filled)
	c.writers.add(r.Event.User.Username, verdict, filled)
	c.kinds.add(r.Kind.GroupKind().String(), verdict, filled)
	if verdict == decision.VerdictAllow {
		return
	}
	at := r.Event.Completed.Unix() / 3600
	hour := c.hours[at]
	if hour == nil {
		if len(c.hours) >= maxHours {
			return
		}
		hour = &Hour{From: time.Unix(at*3600, 0).UTC()}
		c.hours[at] = hour
	}
	switch verdict {
	case decision.VerdictDeny:
		hour.Deny++
	case decision.VerdictUnknown:
		hour.Unknown++
	case decision.VerdictWarn:
		hour.Warn++
	case decision.VerdictAllow:
	}
}

// groupPolicies counts a write once for each policy, by the worst of the policy's findings.
func (c *Collector) groupPolicies(o *Outcome) {
	worst := map[string]decision.Verdict{}
	for f := range findings(o) {
		worst[f.Policy] = max(worst[f.Policy], f.Verdict())
	}
	filled := map[string]bool{}
	if o.Mutating != nil {
		for _, fill := range o.Mutating.Fills {
			if fill.Mode == decision.ModeEnforce {
				filled[fill.Policy] = true
				worst[fill.Policy] = max(worst[fill.Policy], decision.VerdictAllow)
			}
		}
	}
	for policy, verdict := range worst {
		c.policies.add(policy, verdict, filled[policy])
	}
}

// findings yields the findings at /mutate, then those at /validate.
func findings(o *Outcome) func(func(*decision.Finding) bool) {
	return func(yield func(*decision.Finding) bool) {
		for _, d := range []*decision.Decision{o.Mutating, o.Validating} {
			if d == nil {
				continue
			}
			for i := range d.Findings {
				if !yield(&d.Findings[i]) {
					return
				}
			}
		}
	}
}

// shown returns the findings that are not only recorded.
func shown(o *Outcome) (all []Finding) {
	for f := range findings(o) {
		if f.Verdict() > decision.VerdictAllow {
			all = append(all, findingOf(f))
		}
	}
	return all
}

func findingOf(f *decision.Finding) Finding {
	return Finding{
		Policy: f.Policy, Guardrails: f.Guardrails, Mode: f.Mode, Outcome: f.Outcome(), Container: kept(f.Container), Path: kept(f.Path),
		Message: kept(f.Message), Remediation: f.Remediation, Unknown: kept(f.Unknown), Text: f.Text(),
		lacksFacts: f.Unknown != "" && f.Key == pipeline.UnreadKey,
	}
}

// kept returns a text for a report: without credentials, and as a copy, because a part of the event would keep all of
// it in memory.
func kept(text string) string { return strings.Clone(decision.Redact(text)) }

func (c *Collector) workload(r *Result, verdict decision.Verdict, found []Finding) {
	made := workloadOf(r, verdict, found)
	key := keyOf(&made)
	w := c.workloads[key]
	if w == nil {
		if len(c.workloads) >= maxWorkloads {
			c.report.MoreWorkloads++
			return
		}
		w = &made
		c.workloads[key] = w
	}
	w.count(r.Event)
}

func workloadOf(r *Result, verdict decision.Verdict, found []Finding) Workload {
	req := r.Request
	name := req.DisplayName()
	if req.GenerateName != "" {
		name = req.GenerateName + "*" // the names of one controller's objects differ
	}
	w := Workload{
		APIVersion: req.Kind.GroupVersion().String(), Kind: req.Kind.Kind, Namespace: req.Namespace.Name, Writers: []string{}, Name: kept(name), Verdict: verdict, Findings: notNil(found),
		First: r.Event.Completed.UTC(),
	}
	if owner := request.Controller(req.Object); strings.Contains(owner.Group, ".") && !strings.HasSuffix(owner.Group, ".k8s.io") {
		w.Operator = kept((schema.GroupKind{Group: owner.Group, Kind: owner.Kind}).String())
	}
	return w
}

func (w *Workload) count(e *auditlog.Event) {
	w.Count++
	w.First, w.Last = earlier(w.First, e.Completed.UTC()), later(w.Last, e.Completed.UTC())
	if writer := decision.Redact(e.User.Username); len(w.Writers) < maxWriters && !slices.Contains(w.Writers, writer) {
		w.Writers = append(w.Writers, writer)
	}
}

// keyOf identifies an object with the same findings.
func keyOf(w *Workload) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\x00%s\x00%s\x00%s", w.APIVersion, w.Kind, w.Namespace, w.Name)
	writeFindings(&b, w.Findings)
	return b.String()
}

func writeFindings(b *strings.Builder, found []Finding) {
	for i := range found {
		f := &found[i]
		fmt.Fprintf(b, "\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s", f.Policy, f.Mode, f.Outcome, f.Container, f.Path, f.Message)
	}
}

// Report returns the Report. log is what the log contained.
func (c *Collector) Report(log *auditlog.Stats, evicted int64) *Report {
	r := &c.report
	r.Log, r.Gaps, r.Evicted = *log, notNil(log.Gaps()), evicted
	r.Log.Problems = notNil(r.Log.Problems)
	r.Coverage.finish()
	r.Reasons = make([]Reason, 0, len(c.reasons))
	for reason, count := range c.reasons {
		r.Reasons = append(r.Reasons, Reason{reason, count})
	}
	slices.SortFunc(r.Reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Reason, b.Reason))
	})
	r.Namespaces, r.Policies, r.Writers, r.Kinds = c.namespaces.sorted(), c.policies.sorted(), c.writers.sorted(), c.kinds.sorted()
	r.Hours = make([]Hour, 0, len(c.hours))
	for _, at := range slices.Sorted(maps.Keys(c.hours)) {
		r.Hours = append(r.Hours, *c.hours[at])
	}
	r.Workloads = make([]Workload, 0, len(c.workloads))
	for _, w := range c.workloads {
		r.Workloads = append(r.Workloads, *w)
	}
	slices.SortFunc(r.Workloads, func(a, b Workload) int { return compareWorkloads(&a, &b) })
	if r.Changes != nil {
		c.sortChanges()
	}
	return r
}

func compareWorkloads(a, b *Workload) int {
	return cmp.Or(cmp.Compare(b.Verdict, a.Verdict), cmp.Compare(b.Count, a.Count), strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), a.First.Compare(b.First), strings.Compare(keyOf(a), keyOf(b)))
}

// notNil returns an empty list for nil: lists in reports are never null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// groups counts by name.
type groups map[string]*Group

func (g groups) add(name string, verdict decision.Verdict, filled bool) {
	one := g[name]
	if one == nil {
		if len(g) >= maxGroups {
			name = "(others)"
			one = g[name]
		}
		if one == nil {
			one = &Group{Name: decision.Redact(name)}
			g[name] = one
		}
	}
	switch verdict {
	case decision.VerdictDeny:
		one.Deny++
	case decision.VerdictUnknown:
		one.Unknown++
	case decision.VerdictWarn:
		one.Warn++
	case decision.VerdictAllow:
	}
	if filled {
		one.Filled++
	}
}

// sorted returns the groups in which something is not simply allowed.
func (g groups) sorted() []Group {
	all := make([]Group, 0, len(g))
	for _, one := range g {
		if one.Deny+one.Unknown+one.Warn+one.Filled > 0 {
			all = append(all, *one)
		}
	}
	slices.SortFunc(all, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Deny, a.Deny), cmp.Compare(b.Unknown, a.Unknown), cmp.Compare(b.Warn, a.Warn), cmp.Compare(b.Filled, a.Filled), strings.Compare(a.Name, b.Name))
	})
	return all
}
