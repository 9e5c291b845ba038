package decision

import (
	"fmt"
	"strings"
)

// RelaxVerb is the RBAC verb on a Guardrail that permits a user to remove a namespace from it.
// It is also the policy id of findings about a missing permission.
const RelaxVerb = "relax"

// RelaxDenial returns the message for a user who may not change the labels of a namespace, or
// "" if no finding denies.
func (d *Decision) RelaxDenial(subject string, user User) string {
	denying := d.denying()
	if len(denying) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s would get fewer or weaker policies, and %s is not permitted to relax %s:", subject, userName(user.Name, MaxWarning),
		Count(len(denying), "Guardrail", "Guardrails"))
	for _, f := range denying[:min(len(denying), MaxFindings)] {
		fmt.Fprintf(&b, "\n- %s\n    field:  %s\n    fix:    %s", Line(f.Message, maxLine), Line(f.Path, maxLine), Line(f.Remediation, maxLine))
	}
	if rest := len(denying) - MaxFindings; rest > 0 {
		fmt.Fprintf(&b, "\n- and %s", Count(rest, "more Guardrail", "more Guardrails"))
	}
	if first := denying[0]; len(first.Guardrails) == 1 {
		b.WriteString("\nAn administrator grants the permission with:")
		for _, command := range relaxCommands(first.Guardrails[0], user.Name) {
			b.WriteString("\n    " + command)
		}
	}
	return b.String()
}

// relaxCommands returns shell commands that grant the permission. They are quoted, because a
// user name may contain anything that an identity provider allows.
func relaxCommands(guardrail, user string) []string {
	role := "relax-" + guardrail
	return []string{
		fmt.Sprintf("kubectl create clusterrole %s --verb=%s --resource=guardrails.taffrail.dev --resource-name=%s", role, RelaxVerb, guardrail),
		fmt.Sprintf("kubectl create clusterrolebinding %s --clusterrole=%s %s", role, role, subjectFlag(user)),
	}
}
