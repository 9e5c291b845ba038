package decision

import (
	"fmt"
	"strings"
)

// ExemptVerb is the RBAC verb on a Guardrail that permits a user to exempt objects from it.
const ExemptVerb = "exempt"

// NotExempting is something that an Exemption loosens without its author having permission to.
type NotExempting struct {
	// Guardrail is "" if permission for all Guardrails is needed.
	Guardrail string
	// Namespace is "" if permission in all namespaces is needed.
	Namespace string
	// Message describes what is loosened.
	Message string
}

// ExemptDenial returns the message for a user who may not write an Exemption.
func ExemptDenial(subject string, user User, lacking []NotExempting) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is denied, because %s is not permitted to exempt objects from these policies:", subject, userName(user.Name, MaxWarning))
	for i := range lacking[:min(len(lacking), MaxFindings)] {
		fmt.Fprintf(&b, "\n- %s", Line(lacking[i].Message, maxLine))
	}
	if rest := len(lacking) - MaxFindings; rest > 0 {
		fmt.Fprintf(&b, "\n- and %s", Count(rest, "more Guardrail or namespace", "more Guardrails or namespaces"))
	}
	fmt.Fprintf(&b, "\n    fix:    Narrow the Exemption, or ask someone who has the RBAC verb %s.", ExemptVerb)
	b.WriteString("\nAn administrator grants the permission with:")
	for _, command := range lacking[0].commands(user.Name) {
		b.WriteString("\n    " + command)
	}
	return b.String()
}

// commands returns shell commands that grant the permission.
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
