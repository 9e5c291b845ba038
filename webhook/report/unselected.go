package report

import (
	"fmt"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
)

// unselected accumulates what cannot be decided because the labels of a namespace are not known.
// The reason is the same for all objects in that namespace, so it is reported once, along with
// the solution.
type unselected struct {
	objects                          int
	namespaces, guardrails, policies []string
	// examples contains the first objects.
	examples []string
}

// maxExamples limits the length of each list.
const maxExamples = 5

func (u *unselected) add(o *Object) {
	found := false
	for i := range o.Decision.Findings {
		if f := &o.Decision.Findings[i]; isUnselected(f) {
			found = true
			u.policies = appendUnique(u.policies, f.Policy)
			for _, guardrail := range f.Guardrails {
				u.guardrails = appendUnique(u.guardrails, guardrail)
			}
		}
	}
	if !found {
		return
	}
	u.objects++
	u.namespaces = appendUnique(u.namespaces, decision.Printable(o.Request.Namespace.Name))
	if len(u.examples) < maxExamples {
		u.examples = append(u.examples, fmt.Sprintf("%s (%s)", o.Request.Subject(), decision.PrintablePath(o.Source.String())))
	}
}

func isUnselected(f *decision.Finding) bool { return f.Unselected && f.Warns() }

// text returns "" if there is no such object.
func (u *unselected) text() string {
	if u.objects == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s cannot be decided in full by policy %s:\n", plural(u.objects, "object"), joinNames(u.policies, len(u.policies)))
	for _, example := range u.examples {
		b.WriteString("- " + example + "\n")
	}
	if more := u.objects - len(u.examples); more > 0 {
		fmt.Fprintf(&b, "- and %d more; -v lists all of them\n", more)
	}
	is, its, it := "namespace "+joinNames(u.namespaces, maxExamples)+" is", "its", "it"
	if len(u.namespaces) > 1 {
		is, its, it = "namespaces "+joinNames(u.namespaces, maxExamples)+" are", "their", "them"
	}
	fmt.Fprintf(&b, "    because %s not in the input, and Guardrail %s selects by %s labels\n", is, joinNames(u.guardrails, len(u.guardrails)), its)
	fmt.Fprintf(&b, "    Name a file with %s as well, or: kubectl get namespaces -o yaml | taffrail check - …\n", it)
	b.WriteString("    Objects without a namespace go to default unless -n names another.\n")
	return b.String()
}

func appendUnique(list []string, one string) []string {
	if slices.Contains(list, one) {
		return list
	}
	return append(list, one)
}

// joinNames joins names, and counts those beyond a maximum.
func joinNames(names []string, most int) string {
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
