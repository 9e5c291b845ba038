package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"taffrail.dev/webhook/decision"
)

// TableOptions configures NewTable.
type TableOptions struct {
	// Verbose also lists what Exemptions exempt.
	Verbose bool
	// Clusters adds a column with the cluster of each object.
	Clusters bool
}

// NewTable returns a Printer that writes a line for each finding, as kubectl does for each object, and the
// summary line. It holds all lines until Close, to sort and align them.
func NewTable(w io.Writer, o TableOptions) Printer { return &tablePrinter{w: w, options: o} }

type tablePrinter struct {
	w       io.Writer
	options TableOptions
	rows    []tableRow
	totals  Totals
}

// tableRow is a line. The first columns are its sort keys.
type tableRow struct {
	cluster, namespace, object, outcome, policy, problem string
	change                                               Change
}

func (p *tablePrinter) Add(r *Report) error {
	p.totals.Add(r)
	for i := range r.Objects {
		o := &r.Objects[i]
		for _, a := range o.annotations() {
			if a.finding.Exempted() && !p.options.Verbose {
				continue
			}
			problem := decision.Line(a.finding.Message, maxMessage) + a.caveat()
			p.rows = append(p.rows, newTableRow(o.Cluster, o.Request.Namespace.Name, decision.Subject(o.Request.Kind.Kind, "", o.Request.DisplayName()),
				a.finding.Outcome(), a.finding.Policy, a.finding.Container, problem, a.change))
		}
	}
	for i := range r.Gone {
		g := toJSONGone(&r.Gone[i])
		p.rows = append(p.rows, newTableRow(g.Cluster, g.Namespace, decision.Subject(g.Kind, "", g.displayName()),
			string(Gone), g.Finding.Policy, g.Finding.Container, decision.Line(g.Finding.Message, maxMessage), Gone))
	}
	return nil
}

func newTableRow(cluster, namespace, object, outcome, policy, container, problem string, change Change) tableRow {
	if container != "" {
		problem = fmt.Sprintf("container %q: %s", decision.Printable(container), problem)
	}
	// A text of a live object is a part of the whole object, which must not stay in memory.
	clone := func(text string) string { return strings.Clone(decision.Printable(text)) }
	return tableRow{
		cluster: clone(cluster), namespace: cmp.Or(clone(namespace), "-"), object: clone(object), outcome: outcome, policy: clone(policy),
		problem: strings.Clone(problem), change: change,
	}
}

func (p *tablePrinter) Close() error {
	slices.SortStableFunc(p.rows, func(a, b tableRow) int {
		return cmp.Or(strings.Compare(a.cluster, b.cluster), strings.Compare(a.namespace, b.namespace), strings.Compare(a.object, b.object),
			cmp.Compare(slices.Index(outcomeOrder(), a.outcome), slices.Index(outcomeOrder(), b.outcome)))
	})
	if len(p.rows) > 0 {
		if err := p.table(); err != nil {
			return err
		}
	}
	_, err := io.WriteString(p.w, p.totals.summaryText()+"\n")
	return err
}

func (p *tablePrinter) table() error {
	columns := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	line := func(r *tableRow, change string) error {
		cells := []string{r.namespace, r.object, r.outcome, r.policy, r.problem}
		if p.totals.Summary.isCompared {
			cells = slices.Insert(cells, 0, change)
		}
		if p.options.Clusters {
			cells = slices.Insert(cells, 0, r.cluster)
		}
		_, err := io.WriteString(columns, strings.Join(cells, "\t")+"\n")
		return err
	}
	if err := line(&tableRow{cluster: "CLUSTER", namespace: "NAMESPACE", object: "OBJECT", outcome: "OUTCOME", policy: "POLICY", problem: "PROBLEM"}, "CHANGE"); err != nil {
		return err
	}
	for i := range p.rows {
		if err := line(&p.rows[i], string(p.rows[i].change)); err != nil {
			return err
		}
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(p.w, "\n")
	return err
}
