package report

import (
	"encoding/json"
	"fmt"
	"io"

	"taffrail.dev/webhook/decision"
)

// Change is how a finding differs from an earlier report. It is empty without one.
type Change string

// The changes.
const (
	New       Change = "new"
	Unchanged Change = "unchanged"
	Gone      Change = "gone"
)

// Earlier is an earlier report in JSON, to compare with. It is not safe for concurrent use.
type Earlier struct {
	// Incomplete is true if the earlier report has errors: it may lack findings that existed.
	Incomplete bool

	// left has the findings that have not been matched, by identity, and order their identities.
	left  map[identity][]GoneFinding
	order []identity
}

// identity is what a finding and itself in another report have in common.
type identity struct {
	cluster, apiVersion, kind, namespace, name, generateName string
	policy, container, key                                   string
}

// GoneFinding is a finding that only the earlier report has.
type GoneFinding struct {
	object  jsonObject
	finding jsonFinding
}

// Object returns the object of the finding.
func (g *GoneFinding) Object() (cluster, apiVersion, kind, namespace, name string) {
	o := &g.object
	return o.Cluster, o.APIVersion, o.Kind, o.Namespace, o.Name
}

// Policy returns the policy of the finding.
func (g *GoneFinding) Policy() string { return g.finding.Policy }

// ReadEarlier reads a report that NewJSON has written.
func ReadEarlier(r io.Reader) (*Earlier, error) {
	var read struct {
		Objects *[]jsonObject
		Errors  []Problem
	}
	if err := json.NewDecoder(r).Decode(&read); err != nil {
		return nil, fmt.Errorf("it is not a report in JSON: %w", err)
	}
	if read.Objects == nil {
		return nil, fmt.Errorf(`it is not a report in JSON: it has no "objects"`)
	}
	e := &Earlier{Incomplete: len(read.Errors) > 0, left: map[identity][]GoneFinding{}}
	for _, object := range *read.Objects {
		for _, finding := range object.Findings {
			if finding.Exempted != "" {
				continue // it did not count, so that it is new if it counts now
			}
			id := identityOf(&object, &finding)
			if len(e.left[id]) == 0 {
				e.order = append(e.order, id)
			}
			rest := object
			rest.Findings, rest.Filled, rest.Patch = nil, nil, nil
			e.left[id] = append(e.left[id], GoneFinding{rest, finding})
		}
	}
	return e, nil
}

func identityOf(o *jsonObject, f *jsonFinding) identity {
	return identity{o.Cluster, o.APIVersion, o.Kind, o.Namespace, o.Name, o.GenerateName, f.Policy, f.Container, f.Key}
}

// Compare sets how the findings of an object differ from the earlier report. What an Exemption exempts is neither new nor
// unchanged, and not gone either.
func (e *Earlier) Compare(o *Object) {
	o.Changes = make([]Change, len(o.Decision.Findings))
	object := toJSONObject(o)
	for i := range object.Findings {
		id := identityOf(&object, &object.Findings[i])
		left := e.left[id]
		if len(left) > 0 {
			e.left[id] = left[1:]
		}
		switch {
		case object.Findings[i].Exempted != "":
		case len(left) > 0:
			o.Changes[i] = Unchanged
		default:
			o.Changes[i] = New
		}
	}
}

// Gone returns the findings that no compared object has, in the order of the earlier report, as far as the
// objects that they are about were read.
func (e *Earlier) Gone(wasRead func(*GoneFinding) bool) []GoneFinding {
	var gone []GoneFinding
	for _, id := range e.order {
		for _, finding := range e.left[id] {
			if wasRead(&finding) {
				gone = append(gone, finding)
			}
		}
	}
	return gone
}

// jsonGone is a GoneFinding in JSON.
type jsonGone struct {
	APIVersion   string      `json:"apiVersion"`
	Kind         string      `json:"kind"`
	Namespace    string      `json:"namespace"`
	Name         string      `json:"name"`
	GenerateName string      `json:"generateName"`
	Cluster      string      `json:"cluster"`
	Owner        string      `json:"owner"`
	Finding      jsonFinding `json:"finding"`
}

// toJSONGone returns a finding of the earlier report, redacted again: the file may not be what it claims.
func toJSONGone(g *GoneFinding) jsonGone {
	o, f := g.object, g.finding
	for _, text := range []*string{&o.APIVersion, &o.Kind, &o.Namespace, &o.Name, &o.GenerateName, &o.Cluster, &o.Owner, &f.Container} {
		*text = decision.RedactValue(*text)
	}
	for _, text := range []*string{&f.Policy, &f.Path, &f.Key, &f.Message, &f.Remediation, &f.Tolerated, &f.Exempted, &f.Unknown} {
		*text = decision.Redact(*text)
	}
	f.Guardrails = append([]string{}, f.Guardrails...)
	f.Fix, f.Change = []jsonOperation{}, Gone
	return jsonGone{o.APIVersion, o.Kind, o.Namespace, o.Name, o.GenerateName, o.Cluster, o.Owner, f}
}

// changes returns the counts of findings by change, or "" if there was nothing to compare with.
func (s *Summary) changes() string {
	if !s.isCompared {
		return ""
	}
	return fmt.Sprintf("%s, %d gone, %d unchanged", plural(s.New, "new finding"), s.Gone, s.Unchanged)
}

// displayName returns the name, or the generateName followed by an asterisk.
func (g *jsonGone) displayName() string {
	if g.Name == "" && g.GenerateName != "" {
		return g.GenerateName + "*"
	}
	return g.Name
}
