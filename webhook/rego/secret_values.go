package rego

import (
	"encoding/base64"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/credentials"
	"taffrail.dev/webhook/decision"
)

// publicInput returns which values of a Secret, and of kubectl's copy of it, are either public or mere
// references to a secret.
func publicInput(r *decision.Request) map[string]any {
	data, _ := r.Object["data"].(map[string]any)
	public := map[string]any{"data": open(data, true)}
	if r.LastApplied != nil {
		public["lastAppliedData"] = open(r.LastApplied.Data, true)
		public["lastAppliedStringData"] = open(r.LastApplied.StringData, false)
	}
	return map[string]any{"public": public}
}

// open returns the keys of the values that are public or references. A value that is no text is neither.
func open[V any](values map[string]V, encoded bool) map[string]any {
	all := map[string]any{}
	for key, value := range values {
		if text, ok := any(value).(string); ok && isOpen(text, encoded) {
			all[key] = true
		}
	}
	return all
}

// isOpen checks a value both decoded and as written, because tools that encrypt or refer to secrets write
// either form.
func isOpen(text string, encoded bool) bool {
	if credentials.Public(text) || credentials.Reference(text) {
		return true
	}
	if !encoded {
		return false
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	return err == nil && (credentials.Public(string(decoded)) || credentials.Reference(string(decoded)))
}

// stringDataInput returns the keys of stringData in a manifest. Requests have none, because the API server
// merges stringData into data.
func stringDataInput(r *decision.Request) map[string]any {
	if r.Origin != decision.OriginManifest || r.Kind.GroupKind() != (schema.GroupKind{Kind: "Secret"}) {
		return nil
	}
	stringData, _ := r.Original["stringData"].(map[string]any)
	keys := make(map[string]any, len(stringData))
	for key := range stringData {
		keys[key] = true
	}
	return keys
}
