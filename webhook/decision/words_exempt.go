package decision

import (
	"fmt"
	"strings"
)

// ExemptVerb is the RBAC verb on a Guardrail that lets a user excuse objects from it.
const ExemptVerb = "exempt"

// NotExempting is what an Exemption loosens and its writer has no right to.
type NotExempting struct {
	// Guardrail is "" if the right is needed to every Guardrail.
	Guardrail string
	// Namespace is "" if it is needed in all of them.
	Namespace string
	// Message says what is loosened.
	Message string
}

// ExemptDenial is what a person reads who may not write an Exemption.
func ExemptDenial(subject string, user User, lacking []NotExempting) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s would loosen what %s has no right to loosen:", subject, Line(user.Name, MaxWarning))
	for i := range lacking[:min(len(lacking), MaxFindings)] {
		fmt.Fprintf(&b, "\n- %s", Line(lacking[i].Message, maxLine))
	}
	if rest := len(lacking) - MaxFindings; rest > 0 {
		fmt.Fprintf(&b, "\n- and %s", count(rest, "more Guardrail or namespace", "more Guardrails or namespaces"))
	}
	fmt.Fprintf(&b, "\n    write:  Narrow the Exemption, or ask somebody who has the verb %s.", ExemptVerb)
	b.WriteString("\nAn administrator gives the right with:")
	for _, command := range lacking[0].commands(user.Name) {
		b.WriteString("\n    " + command)
	}
	return b.String()
}

// commands are lines for a shell.
func (n *NotExempting) commands(user string) []string {
	role, name := "exempt-all", ""
	if n.Guardrail != "" {
		role, name = "exempt-"+n.Guardrail, " --resource-name="+n.Guardrail
	}
	binding := "clusterrolebinding " + role
	if n.Namespace != "" {
		binding = "rolebinding " + role + " --namespace=" + n.Namespace
	}
	return []string{
		fmt.Sprintf("kubectl create clusterrole %s --verb=%s --resource=guardrails.taffrail.dev%s", role, ExemptVerb, name),
		fmt.Sprintf("kubectl create %s --clusterrole=%s %s", binding, role, subjectFlag(user)),
	}
}
