package admission

import (
	"time"

	"taffrail.dev/webhook/decision"
)

// record writes a decision to the log and the metrics. Decisions with something to say
// are logged; those without, and dry runs, only at -v1. Names are logged, values never.
func (e *endpoint) record(c *call) {
	e.options.Metrics.decided(e.path, c)
	if e.options.Admitted != nil && c.decision != nil && c.verdict != decision.VerdictDeny && !c.request.DryRun {
		e.options.Admitted(c.by, c.request, c.decision)
	}
	level := 1
	if d := c.decision; d != nil && !c.request.DryRun && (len(d.Findings) > 0 || len(d.Errors) > 0 || len(d.Patch) > 0) {
		level = 0
	}
	log := e.options.Log.V(level)
	if !log.Enabled() {
		return
	}
	fields := append(c.fields(e.path), "verdict", c.verdict.String(), "seconds", time.Since(c.began).Seconds())
	if d := c.decision; d != nil {
		if texts := c.outcomes(); len(texts) > 0 {
			fields = append(fields, "findings", texts)
		}
		if len(d.Patch) > 0 {
			fields = append(fields, "patched", d.FillLines())
		}
		for policy, err := range d.Errors {
			e.options.Log.Error(err, "A policy could not be evaluated", append(c.fields(e.path), "policy", policy)...)
		}
	}
	log.Info("Decided", fields...)
}

// outcomes is the findings in short, as in "image-tag/nginx: enforce, denied".
func (c *call) outcomes() []string {
	texts := make([]string, 0, len(c.decision.Findings))
	for i := range c.decision.Findings {
		f := &c.decision.Findings[i]
		text := f.Policy
		if f.Container != "" {
			text += "/" + f.Container
		}
		texts = append(texts, text+": "+f.Mode.String()+", "+f.Outcome())
	}
	return texts
}

// fields names a request in the log.
func (c *call) fields(path string) []any {
	fields := []any{"path", path, "snapshot", c.snapshot}
	r := c.request
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
