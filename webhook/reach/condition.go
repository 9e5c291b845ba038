package reach

import (
	"encoding/json"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Condition is a matchCondition whose effect is known. Any other condition may exclude any
// request.
type Condition struct {
	Name, Expression string
	// Metadata is true if the condition is harmless only for requests that are sent just for their
	// labels and annotations, and excludes relevant requests otherwise.
	Metadata bool
}

// account is the placeholder for the name of a ServiceAccount in an expression.
const account = "ACCOUNT"

// Conditions returns the matchConditions of the chart. NAMESPACE and ACCOUNT are placeholders for
// Taffrail's ServiceAccount.
func Conditions() []Condition {
	return []Condition{
		{Name: "not-a-mirror-pod", Expression: `!(request.kind.group == "" && request.kind.kind == "Pod" && request.userInfo.username.startsWith("system:node:") && ` +
			`has(object.metadata.annotations) && "kubernetes.io/config.mirror" in object.metadata.annotations)`},
		{Name: "not-taffrail-itself", Expression: `request.userInfo.username != "system:serviceaccount:NAMESPACE:` + account + `"`},
		{Name: "not-the-end-of-a-deletion", Expression: `request.operation != "UPDATE" || !has(oldObject.metadata.deletionTimestamp) || ` +
			`object.metadata.?labels != oldObject.metadata.?labels || object.metadata.?annotations != oldObject.metadata.?annotations || ` +
			`object.exists(k, k != "metadata" && k != "status" && (!(k in oldObject) || object[k] != oldObject[k])) || ` +
			`oldObject.exists(k, k != "metadata" && k != "status" && !(k in object))`},
		{Name: "labels-or-annotations-change", Metadata: true, Expression: `request.operation == "UPDATE" ? ` +
			`object.metadata.?labels != oldObject.metadata.?labels || object.metadata.?annotations != oldObject.metadata.?annotations : ` +
			`has(object.metadata.annotations) && size(object.metadata.annotations) > 0 || ` +
			`has(object.metadata.labels) && object.metadata.labels.exists(k, !(k in ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"]))`},
		{Name: "not-the-control-plane", Metadata: true, Expression: `!request.userInfo.username.startsWith("system:serviceaccount:kube-system:") && ` +
			`!(request.userInfo.username in ["system:kube-controller-manager", "system:kube-scheduler"])`},
	}
}

// labelsChange is the matchCondition of the relax entry, which checks who may take a namespace
// out of a Guardrail.
const labelsChange = `(has(object.metadata.labels) ? object.metadata.labels : {}) != (has(oldObject.metadata.labels) ? oldObject.metadata.labels : {})`

// namesLeftOut returns the names of the namespaces that a condition excludes from the relax
// entry. It reports false for any other condition.
func namesLeftOut(c admissionregistrationv1.MatchCondition) ([]string, bool) {
	list, ok := strings.CutPrefix(joined(c.Expression), "!(object.metadata.name in ")
	list, closed := strings.CutSuffix(list, ")")
	if !ok || !closed {
		return nil, false
	}
	// A CEL list of strings without escapes is valid JSON.
	var names []string
	err := json.Unmarshal([]byte(list), &names)
	return names, err == nil
}

// joined returns an expression on one line.
func joined(expression string) string { return strings.Join(strings.Fields(expression), " ") }

// harmless reports whether a matchCondition excludes no request that has to be decided. namespace
// is that of this installation.
func harmless(c admissionregistrationv1.MatchCondition, metadata bool, namespace string) bool {
	expression := joined(c.Expression)
	for _, known := range Conditions() {
		if known.Metadata && !metadata {
			continue
		}
		before, after, named := strings.Cut(strings.ReplaceAll(known.Expression, "NAMESPACE", namespace), account)
		if !named {
			if expression == before {
				return true
			}
			continue
		}
		name, ok := strings.CutPrefix(expression, before)
		name, closed := strings.CutSuffix(name, after)
		// Accept only the characters of a name: a quotation mark would end the string.
		if ok && closed && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" {
			return true
		}
	}
	return false
}
