package request

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// addLastApplied parses kubectl's copy of a Secret's manifest, which may contain the plaintext.
// It is parsed here rather than in Rego, where the text could make a built-in function, and so
// the policy, fail.
func addLastApplied(r *decision.Request) {
	if r.Kind.GroupKind() != (schema.GroupKind{Kind: "Secret"}) {
		return
	}
	r.LastApplied = lastApplied(r.Object)
	r.OldLastApplied = lastApplied(r.OldObject)
}

func lastApplied(secret map[string]any) *decision.LastApplied {
	annotation := at(secret, "metadata", "annotations", corev1.LastAppliedConfigAnnotation)
	if annotation == nil {
		return nil
	}
	applied := &decision.LastApplied{}
	text, _ := annotation.(string)
	// IsValid also rejects duplicate names, which would hide a value.
	if !jsontext.Value(text).IsValid() {
		return applied
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		return applied
	}
	applied.Readable = true
	applied.Data = texts(object["data"])
	applied.StringData = texts(object["stringData"])
	return applied
}

// texts returns the members of an object as text. Values of other types may be plaintext too,
// so they are formatted.
func texts(value any) map[string]string {
	members, ok := value.(map[string]any)
	if !ok && value != nil {
		return map[string]string{"": fmt.Sprint(value)}
	}
	all := make(map[string]string, len(members))
	for name, member := range members {
		switch member := member.(type) {
		case nil:
			all[name] = ""
		case string:
			all[name] = member
		default:
			all[name] = fmt.Sprint(member)
		}
	}
	return all
}
