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

// Injection is a v1alpha1.Injection, ready to be asked.
type Injection struct {
	periods []InjectionPeriod
	// current is false if the spec selects otherwise than was recorded.
	current        bool
	selectionSince time.Time
	// byPresence is true if the selector asks only for labels that are there.
	byPresence bool
	everywhere time.Time
	// excluded are the namespaces that everywhere is not about.
	excluded   []string
	namespaces map[string]time.Time
}

// InjectionPeriod is a time in which a policy was enforced under one set of parameters.
type InjectionPeriod struct {
	Policy string
	// Slot is the index of both in the rego.Program.
	Slot  int
	Since time.Time
	// Until is zero while it lasts.
	Until time.Time
}

// NewInjection reads what was recorded of a Guardrail. periods are those of the record that
// can still be evaluated.
func NewInjection(g *v1alpha1.Guardrail, periods []InjectionPeriod) *Injection {
	record := g.Status.Injection
	if record == nil {
		return nil
	}
	i := &Injection{
		periods: periods, current: RecordsSelection(record, &g.Spec), selectionSince: record.SelectionSince.Time,
		byPresence: SelectsByPresence(&g.Spec), namespaces: map[string]time.Time{},
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

// RecordsSelection reports whether a record is about the namespaces that the spec selects.
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

// SelectsEverywhere reports whether a spec selects every namespace but those that it excludes.
func SelectsEverywhere(spec *v1alpha1.GuardrailSpec) bool {
	selector, err := metav1.LabelSelectorAsSelector(spec.NamespaceSelector)
	return spec.NamespaceSelector == nil || err == nil && selector.String() == labels.Everything().String()
}

// SelectsByPresence reports whether a spec selects namespaces by labels that they have, and by
// none that they lack.
func SelectsByPresence(spec *v1alpha1.GuardrailSpec) bool {
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

// SelectedSince returns since when a namespace is selected; known is false if that is not
// recorded. A record from before the namespace was created is of another of the same name.
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

// TellsByLabels reports whether a namespace that is not recorded may tell by its labels since
// when it is selected: what selects it is recorded.
func (i *Injection) TellsByLabels(namespace decision.Namespace) bool {
	return i != nil && i.current && i.everywhere.IsZero() && (i.byPresence || !namespace.Created.Before(i.selectionSince))
}

// SelectsSince reports whether a namespace that has had its labels since a time has been
// selected as long: the selector is no younger, and asks for labels that are there. One that
// asks for the want of a label selects only what was created so.
func (i *Injection) SelectsSince(labelled time.Time, namespace decision.Namespace) bool {
	return i.current && !labelled.Before(i.selectionSince) && (i.byPresence || labelled.Equal(namespace.Created))
}

// Slots returns those of a policy's periods, sorted.
func (i *Injection) Slots(policy string) (slots []int) {
	if i == nil {
		return nil
	}
	for _, p := range i.periods {
		if p.Policy == policy {
			slots = append(slots, p.Slot)
		}
	}
	slices.Sort(slots)
	return slices.Compact(slots)
}

// Covering returns the slots under which a policy was enforced when a template was written
// in a namespace that was created, and is selected since, the times given. A template that
// has yet to be stored is written at the zero time: it gets what is enforced now.
//
// Times have whole seconds. What was written in the second in which something began counts
// as from before, but in a namespace that is selected since it was created.
func (i *Injection) Covering(policy string, written, selected, created time.Time) (slots []int) {
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
		slots = append(slots, p.Slot)
	}
	return slots
}

// ToleratesExisting reports whether the Guardrail injects only into Pods whose template was
// written while it did.
func (g *Guardrail) ToleratesExisting() bool { return g.tolerate }
