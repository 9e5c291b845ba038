package replay

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"taffrail.dev/webhook/replay/auditlog"
)

// isControlPlane reports whether a user is not sent for what only changes labels or annotations.
func isControlPlane(user string) bool {
	return strings.HasPrefix(user, "system:serviceaccount:kube-system:") || user == "system:kube-controller-manager" || user == "system:kube-scheduler"
}

// carriesMetadata reports whether a Binding has annotations, or labels besides those that the API server adds.
func carriesMetadata(h *head) bool {
	var annotations, labels map[string]string
	// A value that is not a map is refused by the API server.
	_, _ = json.Unmarshal(orEmpty(h.annotations), &annotations), json.Unmarshal(orEmpty(h.labels), &labels)
	delete(labels, "topology.kubernetes.io/region")
	delete(labels, "topology.kubernetes.io/zone")
	return len(annotations)+len(labels) > 0
}

func orEmpty(text []byte) []byte {
	if text == nil {
		return []byte("{}")
	}
	return text
}

// endsDeletion reports whether an update of a terminating object changes only metadata and status, but no labels or
// annotations.
func endsDeletion(w *write) bool {
	return w.object.head.sum == w.before.sum && slices.EqualFunc(content(w.object.stored), content(w.old()), bytes.Equal)
}

// content returns the members of an object besides metadata and status, in the order of the API server.
func content(text []byte) (members [][]byte) {
	// The texts were read before.
	_, _ = auditlog.Members(text, func(name string, value []byte) bool {
		if name != "metadata" && name != "status" {
			members = append(members, []byte(name), value)
		}
		return true
	})
	return members
}
