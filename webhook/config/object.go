package config

import (
	"fmt"

	"taffrail.dev/webhook/review"
)

// Object is a Guardrail, an Exemption or a Policy, by pointer.
type Object = object

// Decode reads one object of an API server's as strictly as files are read. Only its name
// and spec are looked at: the rest is the API server's to judge, and a status may be that
// of a newer version. Numbers must be int64 or float64.
func Decode(value map[string]any) (Object, []review.Fault) {
	trimmed := map[string]any{}
	for name, member := range value {
		if name != "status" && name != "metadata" {
			trimmed[name] = member
		}
	}
	metadata, _ := value["metadata"].(map[string]any)
	trimmed["metadata"] = map[string]any{"name": metadata["name"]}
	entries, errs := decodeValue(trimmed, entry{})
	var faults []review.Fault
	for _, err := range errs {
		fault := review.Fault{Reason: err.Error()}
		if at, ok := err.(*Error); ok { //nolint:errorlint // decodeValue wraps nothing
			fault = review.Fault{Field: at.Field, Reason: at.Reason}
		}
		faults = append(faults, fault)
	}
	switch {
	case len(faults) > 0:
		return nil, faults
	case len(entries) != 1 || entries[0].prefix != "":
		return nil, []review.Fault{{Reason: fmt.Sprintf("is not one %s", anyKind)}}
	}
	return entries[0].object, nil
}
