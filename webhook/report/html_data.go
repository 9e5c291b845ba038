package report

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// htmlData is every finding of a report, in the form that the page needs.
type htmlData struct {
	findings []*htmlFinding
	ids      map[string]int
	texts    map[string]string
}

// htmlObject is an object with findings. Every text in it is printable.
type htmlObject struct {
	Kind, Namespace, Name string
	Cluster, Owner        string
	// Command prints the object. It is empty for an object of a file.
	Command string
}

// htmlFinding is a finding with everything that jsonFinding has.
type htmlFinding struct {
	Object *htmlObject
	// ID identifies the finding in links, and stays the same in later reports.
	ID         string
	Outcome    string
	Policy     string
	Guardrails string
	Mode       string
	Severity   string
	Container  string
	Path       string
	// File is the file with the line of the field, or empty for an object of a cluster.
	File        string
	Key         string
	Message     string
	Remediation string
	Fix         string
	// Reason is why the finding does not have the effect of its mode.
	Reason string
	// Change is how the finding differs from an earlier report.
	Change string
}

func newHTMLData() *htmlData { return &htmlData{ids: map[string]int{}, texts: map[string]string{}} }

// printable returns a text as one line without control characters. Equal texts share memory: a report has
// the same few texts many times.
func (d *htmlData) printable(text string) string {
	if known, ok := d.texts[text]; ok {
		return known
	}
	// A text of a live object is a part of the whole object, which must not stay in memory.
	line := strings.Clone(decision.PrintablePath(text))
	d.texts[strings.Clone(text)] = line
	return line
}

func (d *htmlData) add(o *Object) {
	annotations := o.annotations()
	if len(annotations) == 0 {
		return
	}
	object := d.object(o)
	for i := range annotations {
		d.findings = append(d.findings, d.finding(object, &annotations[i]))
	}
}

func (d *htmlData) object(o *Object) *htmlObject {
	from := toJSONObject(&Object{Source: o.Source, Request: o.Request, Cluster: o.Cluster, Owner: o.Owner, Decision: &decision.Decision{}})
	object := &htmlObject{
		Kind: d.printable(from.Kind), Namespace: d.printable(from.Namespace), Name: d.printable(from.Name),
		Cluster: d.printable(from.Cluster), Owner: d.printable(from.Owner),
	}
	if from.Name == "" && from.GenerateName != "" {
		object.Name = d.printable(from.GenerateName + "*")
	}
	if o.Source == (manifest.Source{}) {
		object.Command = d.printable(kubectlCommand(o))
	}
	return object
}

func (d *htmlData) finding(object *htmlObject, a *annotation) *htmlFinding {
	f := a.object.toJSONFinding(a.finding)
	finding := &htmlFinding{
		Object: object, ID: d.id(a), Outcome: a.finding.Outcome(), Policy: d.printable(f.Policy), Guardrails: d.printable(strings.Join(f.Guardrails, ", ")),
		Mode: f.Mode.String(), Severity: d.printable(string(f.Severity)), Container: d.printable(f.Container), Path: d.printable(f.Path), Key: d.printable(f.Key),
		Message: d.printable(f.Message), Remediation: d.printable(f.Remediation), Reason: d.printable(reason(&f)),
		Change: string(a.change),
	}
	if source := a.object.Source; source != (manifest.Source{}) {
		source.Line = f.Line
		finding.File = d.printable(source.String())
	}
	if len(f.Fix) > 0 {
		if text, err := json.Marshal(f.Fix); err == nil { // it came from JSON
			finding.Fix = d.printable(string(text))
		}
	}
	return finding
}

// addGone adds a finding that only the earlier report has.
func (d *htmlData) addGone(g *GoneFinding) {
	from := toJSONGone(g)
	f := from.Finding
	d.findings = append(d.findings, &htmlFinding{
		Object: &htmlObject{
			Kind: d.printable(from.Kind), Namespace: d.printable(from.Namespace), Name: d.printable(from.displayName()), Cluster: d.printable(from.Cluster), Owner: d.printable(from.Owner),
		},
		ID: d.number(string(Gone)), Outcome: string(Gone), Policy: d.printable(f.Policy), Guardrails: d.printable(strings.Join(f.Guardrails, ", ")), Mode: f.Mode.String(),
		Severity: d.printable(string(f.Severity)), Container: d.printable(f.Container), Path: d.printable(f.Path), Key: d.printable(f.Key), Message: d.printable(f.Message),
		Remediation: d.printable(f.Remediation), Change: string(Gone),
	})
}

// reason explains why a finding does not have the effect of its mode.
func reason(f *jsonFinding) string {
	var reasons []string
	add := func(label, text string) {
		if text != "" {
			reasons = append(reasons, label+text)
		}
	}
	add("exempted by Exemption ", f.Exempted)
	add("tolerated: ", f.Tolerated)
	add("not decided: ", f.Unknown)
	return strings.Join(reasons, "; ")
}

// id returns the start of the finding's fingerprint, with a number if the input contains the same object more
// than once.
func (d *htmlData) id(a *annotation) string {
	const length = 12
	return d.number(fingerprintOf(a)[:length])
}

// number returns an id that is not in use.
func (d *htmlData) number(id string) string {
	d.ids[id]++
	if n := d.ids[id]; n > 1 {
		id += "-" + strconv.Itoa(n)
	}
	return id
}

// The order in which findings are sorted, the most costly first.
func outcomeOrder() []string {
	return []string{"denied", "unknown", "warned", "recorded", "tolerated", "exempted", string(Gone)}
}

func severityOrder() []string {
	return []string{string(decision.SeverityCritical), string(decision.SeverityHigh), string(decision.SeverityMedium), string(decision.SeverityLow), ""}
}

// sort sorts the findings by outcome and severity. Those that are equal stay in the order of the input.
func (d *htmlData) sort() {
	outcomes, severities := outcomeOrder(), severityOrder()
	slices.SortStableFunc(d.findings, func(a, b *htmlFinding) int {
		return cmp.Or(cmp.Compare(slices.Index(outcomes, a.Outcome), slices.Index(outcomes, b.Outcome)),
			cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)))
	})
}

// htmlWire is the data of the page's script. Findings and objects are rows of indices into Texts, and the first
// number of a finding is the index of its object.
type htmlWire struct {
	Outcomes       []string `json:"outcomes"`
	Severities     []string `json:"severities"`
	Texts          []string `json:"texts"`
	ObjectColumns  []string `json:"objectColumns"`
	Objects        [][]int  `json:"objects"`
	FindingColumns []string `json:"findingColumns"`
	Findings       [][]int  `json:"findings"`
}

func (d *htmlData) wire() htmlWire {
	w := htmlWire{
		Outcomes: outcomeOrder(), Severities: severityOrder(), Texts: []string{},
		ObjectColumns: []string{"kind", "namespace", "name", "cluster", "owner", "command"}, Objects: [][]int{},
		FindingColumns: []string{
			"object", "id", "outcome", "policy", "guardrails", "mode", "severity", "container", "path", "file", "key", "message", "remediation", "fix", "reason", "change",
		},
		Findings: [][]int{},
	}
	indices := map[string]int{}
	row := func(row []int, texts ...string) []int {
		for _, text := range texts {
			at, found := indices[text]
			if !found {
				at = len(w.Texts)
				indices[text] = at
				w.Texts = append(w.Texts, text)
			}
			row = append(row, at)
		}
		return row
	}
	objects := map[*htmlObject]int{}
	for _, f := range d.findings {
		o := f.Object
		at, found := objects[o]
		if !found {
			at = len(w.Objects)
			objects[o] = at
			w.Objects = append(w.Objects, row(nil, o.Kind, o.Namespace, o.Name, o.Cluster, o.Owner, o.Command))
		}
		w.Findings = append(w.Findings, row([]int{at}, f.ID, f.Outcome, f.Policy, f.Guardrails, f.Mode, f.Severity, f.Container, f.Path, f.File, f.Key,
			f.Message, f.Remediation, f.Fix, f.Reason, f.Change))
	}
	return w
}
