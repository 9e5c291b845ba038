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

// addLastApplied reads kubectl's copy of a Secret's manifest, for it may carry the
// plaintext. It is read here and not in Rego, where text that a writer chooses could
// make a built-in fail, and with it the policy.
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
	// A name that comes twice, which IsValid refuses too, would hide one of its values.
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

// texts are the members of an object as text, whatever they were: what is no string is
// no less a plaintext.
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
