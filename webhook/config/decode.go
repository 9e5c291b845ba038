package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	kjson "sigs.k8s.io/json"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

// entry is an object and its source.
type entry struct {
	kind     string
	object   Object
	source   string
	document *yamldoc.Document
	// prefix is the path from the document to the object: "" or items[3].
	prefix string
	// exported is true if the object is in an export.
	exported bool
}

func (e *entry) fail(field, reason string) *Error {
	path := e.prefix
	if path != "" && field != "" {
		path += "."
	}
	path += field
	line := 0
	if e.document != nil {
		line = e.document.LineOf(path)
	}
	return &Error{Source: e.source, Line: line, Field: path, Reason: reason}
}

// decode reads the Guardrails, Exemptions and Policies of a multi-document YAML or JSON stream,
// including those in Lists. An unknown field or kind, a duplicate key and a value of the wrong
// type are errors. The returned entries are well-formed, but need to be resolved. If the stream is
// an export, its first document is returned, and the facts in it are skipped. Every error is an
// *Error.
func decode(data []byte, source string) (entries []entry, export *Export, errs []error) {
	first := true
	for _, chunk := range yamldoc.Split(data) {
		doc, err := yamldoc.Parse(chunk)
		if err != nil {
			errs = append(errs, located(err, source))
			continue
		}
		if doc.Value == nil {
			continue
		}
		at := entry{source: source, document: doc, exported: export != nil}
		object, _ := doc.Value.(map[string]any)
		switch {
		case first && IsExport(object):
			var bad []error
			export, bad = decodeExport(object, at)
			errs = append(errs, bad...)
		case export != nil && isExportedFact(object):
		default:
			found, bad := decodeValue(doc.Value, at)
			entries, errs = append(entries, found...), append(errs, bad...)
		}
		first = false
	}
	return entries, export, errs
}

func located(err error, source string) error {
	if broken := new(yamldoc.Error); errors.As(err, &broken) {
		return &Error{Source: source, Line: broken.Line, Field: broken.Field, Reason: broken.Reason}
	}
	return &Error{Source: source, Reason: err.Error()}
}

// decodeValue decodes one object, or the items of a List. at has the source and the prefix.
func decodeValue(value any, at entry) ([]entry, []error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, []error{at.fail("", "must be a "+anyKind+", not "+describe(value))}
	}
	apiVersion, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	if items, ok := object["items"].([]any); ok && at.prefix == "" && isList(apiVersion, kind) {
		var entries []entry
		var errs []error
		for i, item := range items {
			at.prefix = fmt.Sprintf("items[%d]", i)
			found, bad := decodeValue(item, at)
			entries, errs = append(entries, found...), append(errs, bad...)
		}
		return entries, errs
	}
	if err := checkKind(apiVersion, kind, at); err != nil {
		return nil, []error{err}
	}
	at.kind, at.object = kind, newObject(kind)
	if errs := shapeErrors(object, at); len(errs) > 0 {
		return nil, errs
	}
	text, err := json.Marshal(object)
	if err == nil {
		err = kjson.UnmarshalCaseSensitivePreserveInts(text, at.object)
	}
	if err != nil {
		return nil, []error{at.fail("", err.Error())}
	}
	return []entry{at}, nil
}

const anyKind = KindGuardrail + ", " + KindExemption + " or " + KindPolicy

func isList(apiVersion, kind string) bool {
	return apiVersion == "v1" && kind == "List" || apiVersion == v1alpha1.GroupVersion().String() && newObject(strings.TrimSuffix(kind, "List")) != nil && strings.HasSuffix(kind, "List")
}

func checkKind(apiVersion, kind string, at entry) error {
	want := v1alpha1.GroupVersion().String()
	switch {
	case apiVersion == "":
		return at.fail("apiVersion", "is missing: write "+want)
	case kind == "":
		return at.fail("kind", "is missing: write "+anyKind)
	case apiVersion != want:
		return at.fail("apiVersion", fmt.Sprintf("%s %s is not supported: write %s of %s", apiVersion, kind, anyKind, want))
	case newObject(kind) == nil:
		return at.fail("kind", fmt.Sprintf("%q is not supported: write %s", kind, anyKind))
	}
	return nil
}

// Decode decodes an object from the API server as strictly as one from a file. It reads only
// the name, the creation time and the spec: other metadata is validated by the API server, and
// the status may have been written by a newer version. Numbers must be int64 or float64.
func Decode(value map[string]any) (Object, []decision.Fault) {
	trimmed := map[string]any{}
	for name, member := range value {
		if name != "status" && name != "metadata" {
			trimmed[name] = member
		}
	}
	metadata, _ := value["metadata"].(map[string]any)
	trimmed["metadata"] = map[string]any{"name": metadata["name"], "creationTimestamp": metadata["creationTimestamp"]}
	entries, errs := decodeValue(trimmed, entry{})
	var faults []decision.Fault
	for _, err := range errs {
		fault := decision.Fault{Reason: err.Error()}
		if at, ok := err.(*Error); ok { //nolint:errorlint // decodeValue wraps nothing
			fault = decision.Fault{Field: at.Field, Reason: at.Reason}
		}
		faults = append(faults, fault)
	}
	switch {
	case len(faults) > 0:
		return nil, faults
	case len(entries) != 1 || entries[0].prefix != "":
		return nil, []decision.Fault{{Reason: fmt.Sprintf("is not one %s", anyKind)}}
	}
	return entries[0].object, nil
}
