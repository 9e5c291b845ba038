package admission

import "github.com/go-logr/logr"

// logObserver logs requests. Decisions that change or report something are logged; others, and dry runs, only
// at -v1. Names are logged, values never.
type logObserver struct{ log logr.Logger }

// Observe implements Observer.
func (l logObserver) Observe(o *Observation) {
	if o.Err != nil {
		l.failed(o)
		return
	}
	level := 1
	if d := o.Decision; d != nil && !o.Request.DryRun && (len(d.Findings) > 0 || len(d.Errors) > 0 || len(d.Patch) > 0) {
		level = 0
	}
	log := l.log.V(level)
	if !log.Enabled() {
		return
	}
	fields := append(o.fields(), "verdict", o.Verdict.String(), "seconds", o.Duration.Seconds())
	if d := o.Decision; d != nil {
		if texts := o.outcomes(); len(texts) > 0 {
			fields = append(fields, "findings", texts)
		}
		if len(d.Patch) > 0 {
			fields = append(fields, "patched", d.FillLines())
		}
		for policy, err := range d.Errors {
			l.log.Error(err, "A policy could not be evaluated", append(o.fields(), "policy", policy)...)
		}
	}
	log.Info("Decided", fields...)
}

// failed logs defects as errors. What the API server retries, or the caller did wrong, is logged at -v1.
func (l logObserver) failed(o *Observation) {
	f := o.failure
	fields := append(o.fields(), "reason", string(f.reason), "status", f.status)
	if f.isDefect() {
		l.log.Error(o.Err, "A request could not be decided", fields...)
		return
	}
	l.log.V(1).Info("A request was not decided", fields...)
}

// outcomes summarizes the findings, as in "image-tag/nginx: enforce, denied".
func (o *Observation) outcomes() []string {
	texts := make([]string, 0, len(o.Decision.Findings))
	for i := range o.Decision.Findings {
		f := &o.Decision.Findings[i]
		text := f.Policy
		if f.Container != "" {
			text += "/" + f.Container
		}
		texts = append(texts, text+": "+f.Mode.String()+", "+f.Outcome())
	}
	return texts
}

// fields returns the log fields that identify a request.
func (o *Observation) fields() []any {
	fields := []any{"path", o.Path, "snapshot", o.SnapshotID}
	r := o.Request
	if r == nil {
		return fields
	}
	fields = append(fields, "uid", r.UID, "operation", string(r.Operation), "kind", r.Kind.Kind,
		"namespace", r.Namespace.Name, "name", r.DisplayName(), "user", r.User.Name)
	if r.Subresource != "" {
		fields = append(fields, "subresource", r.Subresource)
	}
	if r.DryRun {
		fields = append(fields, "dryRun", true)
	}
	return fields
}
