package replay

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay/auditlog"
)

// Collector makes a Report of Results, in limited memory.
type Collector struct {
	options CollectorOptions
	report  Report

	reasons                              map[string]int64
	namespaces, policies, writers, kinds groups
	hours                                map[int64]*Hour
	workloads                            map[key]*Workload
	changes                              map[key]*Change
	// otherReasons counts the writes for reasons beyond those in reasons.
	otherReasons int64
	// names has names without credentials.
	names map[string]string
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
		hours: map[int64]*Hour{}, workloads: map[key]*Workload{}, changes: map[key]*Change{}, names: map[string]string{},
	}
	if o.Against {
		c.report.Changes = &Changes{}
	}
	return c
}

// Cover counts what the log has of a write. Add does so too. kinds are those that policies cover.
func (c *Collector) Cover(e *auditlog.Event, kinds *Kinds) {
	if c.counts(e) {
		response, request := headOf(e.ResponseObject), headOf(e.RequestObject)
		c.report.Coverage.Add(e, kinds.covers(kinds.of(e, &response, &request)))
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
	c.report.Coverage.Add(r.Event, r.Covered)
	n := &c.report.Counts
	if r.Undone {
		n.Undone++
	}
	if r.Filled {
		n.NotUndone++
	}
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
		c.reason(r, r.Reason)
		c.group(r, decision.VerdictUnknown, false)
	case StatusDecided:
		n.Sent++
		if r.Refused {
			n.Refused++
		}
		c.decided(r)
	}
}

// reason counts why a write is unknown. Names would make reasons as many as there are objects.
func (c *Collector) reason(r *Result, reason string) {
	reason = strings.ReplaceAll(reason, "namespace "+r.Event.Object.Namespace, "the namespace")
	if name := r.Event.Object.Name; len(name) > 2 {
		reason = strings.ReplaceAll(reason, " "+name, "")
	}
	if _, known := c.reasons[reason]; !known && len(c.reasons) >= maxReasons {
		c.otherReasons++
		return
	}
	c.reasons[reason]++
}

// decided counts a Result with Outcomes: by the first one, and by what differs in the second.
func (c *Collector) decided(r *Result) {
	c.outcome(r, &r.Outcomes[0])
	if len(r.Outcomes) > 1 && r.Outcomes[0].Err == nil && r.Outcomes[1].Err == nil {
		c.change(r)
	} else if len(r.Outcomes) > 1 {
		c.report.Changes.Uncertain++
		c.report.Changes.Errors++
	}
}

// outcome counts a Result by an outcome.
func (c *Collector) outcome(r *Result, o *Outcome) {
	n := &c.report.Counts
	if err := o.Err; err != nil {
		n.Unknown++
		c.reason(r, "it could not be decided: "+decision.Redact(err.Error()))
		c.group(r, decision.VerdictUnknown, false)
		return
	}
	if o.Unbound() {
		n.Unbound++
		return
	}
	verdict, filled := o.Verdict(), fills(o)
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
	c.groupPolicies(o)
	if verdict == decision.VerdictAllow {
		return
	}
	found := shown(o)
	if verdict == decision.VerdictUnknown && !slices.ContainsFunc(found, func(f *decision.Finding) bool { return !lacksFacts(f) }) {
		c.reason(r, decision.Redact(found[0].Unknown))
	} else if c.report.Changes == nil {
		c.workload(r, verdict, found)
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
	if c.otherReasons > 0 {
		r.Reasons = append(r.Reasons, Reason{"other reasons", c.otherReasons})
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

// notNil returns an empty list for nil: lists in reports are never null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
