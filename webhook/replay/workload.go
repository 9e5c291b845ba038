package replay

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// key identifies an object with its findings.
type key [sha256.Size]byte

// keyOf returns the key of the object of a result. Texts are hashed as they are: to redact them takes longer.
func keyOf(r *Result, all ...[]*decision.Finding) (k key) {
	sum := sha256.New()
	add := func(texts ...string) {
		for _, text := range texts {
			var length [8]byte
			binary.LittleEndian.PutUint64(length[:], uint64(len(text)))
			sum.Write(length[:])
			sum.Write([]byte(text))
		}
	}
	req := r.Request
	add(req.Kind.Group, req.Kind.Version, req.Kind.Kind, req.Namespace.Name, nameOf(req))
	for _, found := range all {
		add("")
		for _, f := range found {
			add(f.Policy, f.Mode.String(), f.Outcome(), f.Container, f.Path, f.Message)
		}
	}
	sum.Sum(k[:0])
	return k
}

// nameOf returns the name of a request's object in reports. The names of one controller's objects differ.
func nameOf(r *decision.Request) string {
	if r.GenerateName != "" {
		return r.GenerateName + "*"
	}
	return r.DisplayName()
}

// workload counts a write of an object with findings.
func (c *Collector) workload(r *Result, verdict decision.Verdict, found []*decision.Finding) {
	k := keyOf(r, found)
	w := c.workloads[k]
	if w == nil {
		if len(c.workloads) >= maxWorkloads {
			c.report.MoreWorkloads++
			return
		}
		made := c.workloadOf(r, verdict, found)
		w = &made
		c.workloads[k] = w
	}
	c.count(w, r)
}

func (c *Collector) workloadOf(r *Result, verdict decision.Verdict, found []*decision.Finding) Workload {
	req := r.Request
	w := Workload{
		APIVersion: req.Kind.GroupVersion().String(), Kind: req.Kind.Kind, Namespace: req.Namespace.Name, Writers: []string{}, Verdict: verdict,
		Findings: make([]Finding, 0, len(found)), First: r.Event.Completed.UTC(),
	}
	for _, f := range found {
		w.Findings = append(w.Findings, findingOf(f))
	}
	name := nameOf(req)
	w.Name = redacted(name)
	w.unnamed = w.Name != name
	if owner := request.Controller(req.Object); strings.Contains(owner.Group, ".") && !strings.HasSuffix(owner.Group, ".k8s.io") {
		w.Operator = redacted((schema.GroupKind{Group: owner.Group, Kind: owner.Kind}).String())
	}
	return w
}

// count counts a write of a workload.
func (c *Collector) count(w *Workload, r *Result) {
	at := r.Event.Completed.UTC()
	w.Count++
	w.First, w.Last = earlier(w.First, at), later(w.Last, at)
	if len(w.Writers) >= maxWriters {
		return
	}
	name := r.Event.User.Username
	if writer := c.redacted(name); !slices.Contains(w.Writers, writer) {
		w.Writers = append(w.Writers, writer)
		if writer == name {
			w.named = append(w.named, writer)
		}
	}
}

func compareWorkloads(a, b *Workload) int {
	return cmp.Or(cmp.Compare(b.Verdict, a.Verdict), cmp.Compare(b.Count, a.Count), strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), a.First.Compare(b.First), compareFindings(a.Findings, b.Findings))
}

func compareFindings(a, b []Finding) int {
	return slices.CompareFunc(a, b, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Policy, b.Policy), strings.Compare(a.Container, b.Container), strings.Compare(a.Path, b.Path), strings.Compare(a.Message, b.Message),
			strings.Compare(a.Outcome, b.Outcome))
	})
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
func shown(o *Outcome) (all []*decision.Finding) {
	for f := range findings(o) {
		if f.Verdict() > decision.VerdictAllow {
			all = append(all, f)
		}
	}
	return all
}

// lacksFacts reports whether a policy was not evaluated for want of facts.
func lacksFacts(f *decision.Finding) bool { return f.Unknown != "" && f.Key == pipeline.UnreadKey }

func findingOf(f *decision.Finding) Finding {
	return Finding{
		Policy: f.Policy, Guardrails: f.Guardrails, Mode: f.Mode, Outcome: f.Outcome(), Container: redacted(f.Container), Path: redacted(f.Path),
		Message: redacted(f.Message), Remediation: f.Remediation, Unknown: redacted(f.Unknown), Text: f.Text(),
	}
}

// redacted returns a text for a report: without credentials, and as a copy, because a part of the event would keep all
// of it in memory.
func redacted(text string) string { return strings.Clone(decision.Redact(text)) }

// maxRedacted is the number of names that are remembered without credentials.
const maxRedacted = 10_000

// redacted returns a name for a report. Most names occur often.
func (c *Collector) redacted(name string) string {
	if known, found := c.names[name]; found {
		return known
	}
	text := redacted(name)
	if len(c.names) < maxRedacted {
		c.names[strings.Clone(name)] = text
	}
	return text
}
