package config

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// Injection is the indexed form of a v1alpha1.Injection, the record of since when a Guardrail
// injects.
type Injection struct {
	periods []InjectionPeriod
	// current is false if the spec selects other namespaces than the record.
	current        bool
	selectionSince time.Time
	// byPresence is true if the selector only requires labels to be present.
	byPresence bool
	everywhere time.Time
	// excluded has the namespaces that everywhere does not apply to.
	excluded   []string
	namespaces map[string]time.Time
}

// InjectionPeriod is a period during which a policy was enforced with one set of parameters.
type InjectionPeriod struct {
	Policy string
	// Instance is the index of the policy and its parameters in the rego.Program.
	Instance int
	Since    time.Time
	// Until is zero while the period lasts.
	Until time.Time
}

// NewInjection returns the injection record of a Guardrail, or nil if it has none. periods are
// the recorded periods that can still be evaluated.
func NewInjection(g *v1alpha1.Guardrail, periods []InjectionPeriod) *Injection {
	record := g.Status.Injection
	if record == nil {
		return nil
	}
	i := &Injection{
		periods: periods, current: RecordsSelection(record, &g.Spec), selectionSince: record.SelectionSince.Time,
		byPresence: selectsByPresence(&g.Spec), namespaces: map[string]time.Time{},
	}
	if record.Everywhere != nil {
		i.everywhere, i.excluded = record.Everywhere.Time, record.ExcludeNamespaces
	}
	for _, group := range record.Namespaces {
		for _, name := range group.Names {
			i.namespaces[name] = group.Since.Time
		}
	}
	return i
}

// RecordsSelection reports whether a record applies to the namespaces that the spec selects.
func RecordsSelection(record *v1alpha1.Injection, spec *v1alpha1.GuardrailSpec) bool {
	return equality.Semantic.DeepEqual(selectorOf(record.NamespaceSelector), selectorOf(spec.NamespaceSelector)) &&
		equality.Semantic.DeepEqual(record.ExcludeNamespaces, spec.ExcludeNamespaces)
}

func selectorOf(s *metav1.LabelSelector) metav1.LabelSelector {
	if s == nil {
		return metav1.LabelSelector{}
	}
	return *s
}

// SelectsEverywhere reports whether a spec selects every namespace that it does not exclude.
func SelectsEverywhere(spec *v1alpha1.GuardrailSpec) bool {
	selector, err := metav1.LabelSelectorAsSelector(spec.NamespaceSelector)
	return spec.NamespaceSelector == nil || err == nil && selector.String() == labels.Everything().String()
}

// selectsByPresence reports whether a spec selects namespaces only by labels that they have,
// not by labels that they lack.
func selectsByPresence(spec *v1alpha1.GuardrailSpec) bool {
	if spec.NamespaceSelector == nil {
		return false
	}
	for _, expression := range spec.NamespaceSelector.MatchExpressions {
		if expression.Operator != metav1.LabelSelectorOpIn && expression.Operator != metav1.LabelSelectorOpExists {
			return false
		}
	}
	return true
}

// SelectedSince returns since when a namespace has been selected; known is false if that is not
// recorded. A record older than the namespace belongs to a deleted namespace of the same name.
func (i *Injection) SelectedSince(namespace decision.Namespace) (since time.Time, known bool) {
	if i == nil {
		return time.Time{}, false
	}
	if since, listed := i.namespaces[namespace.Name]; listed && !since.Before(namespace.Created) {
		return since, true
	}
	if !i.everywhere.IsZero() && !slices.Contains(i.excluded, namespace.Name) {
		return i.everywhere, true
	}
	return time.Time{}, false
}

// LabelsDateSelection reports whether the age of an unrecorded namespace's labels can show
// since when it has been selected. That requires a record of the current selector.
func (i *Injection) LabelsDateSelection(namespace decision.Namespace) bool {
	return i != nil && i.current && i.everywhere.IsZero() && (i.byPresence || !namespace.Created.Before(i.selectionSince))
}

// SelectsSince reports whether a namespace whose labels date from a time has been selected
// since then: the selector must be at least as old, and require labels to be present. A
// selector that requires a label to be absent only selects namespaces whose labels date from
// their creation.
func (i *Injection) SelectsSince(labeled time.Time, namespace decision.Namespace) bool {
	return i.current && !labeled.Before(i.selectionSince) && (i.byPresence || labeled.Equal(namespace.Created))
}

// Instances returns the instances of a policy's periods, sorted.
func (i *Injection) Instances(policy string) (instances []int) {
	if i == nil {
		return nil
	}
	for _, p := range i.periods {
		if p.Policy == policy {
			instances = append(instances, p.Instance)
		}
	}
	slices.Sort(instances)
	return slices.Compact(instances)
}

// Covering returns the instances under which a policy was enforced when a template was written, in
// a namespace with the given times of selection and creation. A template that is not stored yet
// has the zero time: it gets what is enforced now.
//
// Times have a resolution of one second. What was written in the second in which a period began
// counts as older, unless the namespace has been selected since its creation.
func (i *Injection) Covering(policy string, written, selected, created time.Time) (instances []int) {
	sinceCreation := !selected.After(created)
	for _, p := range i.periods {
		switch {
		case p.Policy != policy:
			continue
		case written.IsZero():
			if !p.Until.IsZero() {
				continue
			}
		case !written.After(p.Since), !sinceCreation && !written.After(selected), !p.Until.IsZero() && written.After(p.Until):
			continue
		}
		instances = append(instances, p.Instance)
	}
	return instances
}
