package report

import (
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"taffrail.dev/webhook/decision"
)

// OpenReportsOptions configures NewOpenReports.
type OpenReportsOptions struct {
	// Name begins the names of all reports, and is the instance in their labels.
	Name string
	// Now is when the findings were seen.
	Now time.Time
}

// NewOpenReports returns a Printer that writes Reports and ClusterReports as YAML documents, which kubectl
// can apply. It holds all findings until Close, because a report is about all objects of a namespace.
func NewOpenReports(w io.Writer, o OpenReportsOptions) Printer {
	return &openReportsPrinter{w: w, options: o, objects: map[string][]AuditedObject{}, passes: map[string]Passes{}}
}

type openReportsPrinter struct {
	w       io.Writer
	options OpenReportsOptions
	// objects and passes are by namespace.
	objects map[string][]AuditedObject
	passes  map[string]Passes
}

func (p *openReportsPrinter) Add(r *Report) error {
	for namespace, passed := range r.Passed {
		p.count(namespace, Passes{Passed: passed})
	}
	for i := range r.Objects {
		o := &r.Objects[i]
		if len(o.Decision.Findings) == 0 {
			continue
		}
		object := AuditedObject{
			Kind: o.Request.Kind, Namespace: strings.Clone(o.Request.Namespace.Name), Name: strings.Clone(o.Request.Name), UID: uidOf(o), Owner: decision.RedactValue(strings.Clone(o.Owner)),
		}
		for _, f := range o.Decision.Findings {
			if f.Exempted() {
				p.count(object.Namespace, Passes{Exempted: 1})
			}
			// A text of a live object is a part of the whole object, which must not stay in memory.
			for _, text := range []*string{&f.Container, &f.Path, &f.Key, &f.Message, &f.Unknown} {
				*text = strings.Clone(*text)
			}
			object.Findings = append(object.Findings, AuditedFinding{Finding: f, FirstSeen: p.options.Now})
		}
		p.objects[object.Namespace] = append(p.objects[object.Namespace], object)
	}
	return nil
}

func (p *openReportsPrinter) count(namespace string, more Passes) {
	passes, counted := p.passes[namespace]
	if !counted {
		namespace = strings.Clone(namespace)
	}
	p.passes[namespace] = Passes{passes.Passed + more.Passed, passes.Exempted + more.Exempted}
}

func uidOf(o *Object) string {
	metadata, _ := o.Request.Object["metadata"].(map[string]any)
	uid, _ := metadata["uid"].(string)
	return strings.Clone(uid)
}

func (p *openReportsPrinter) Close() error {
	for _, namespace := range slices.Sorted(maps.Keys(p.objects)) {
		reports := OpenReports(namespace, p.options.Name, p.objects[namespace], p.passes[namespace])
		for i := range reports {
			var document any = reports[i].Report()
			if namespace == "" {
				document = reports[i].ClusterReport()
			}
			text, err := yaml.Marshal(document)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(p.w, "---\n"+string(text)); err != nil {
				return err
			}
		}
	}
	return nil
}
