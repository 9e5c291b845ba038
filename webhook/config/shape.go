package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
)

// shapeErrors compares an object with the Go type of its kind and returns an error for every
// unknown field and every value of the wrong type, ordered by path. The JSON decoder stops at
// the first error and uses the names of Go types.
func shapeErrors(object map[string]any, at entry) []error {
	var errs []error
	compare(object, reflect.TypeOf(at.object), "", func(path, reason string) {
		errs = append(errs, at.fail(path, reason))
	})
	return errs
}

func compare(value any, want reflect.Type, path string, fail func(path, reason string)) {
	for want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	// null omits a field. A type with its own decoder reports its own errors.
	if value == nil || reflect.PointerTo(want).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return
	}
	wrong := func(expected string) { fail(path, "must be "+expected+", not "+describe(value)) }
	switch want.Kind() {
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			wrong("a map")
			return
		}
		compareFields(object, fieldsOf(want), path, fail)
	case reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			wrong("a map")
			return
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			compare(object[key], want.Elem(), string(decision.FieldPath(path).Key(key)), fail)
		}
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			wrong("a list")
			return
		}
		for i, element := range list {
			compare(element, want.Elem(), string(decision.FieldPath(path).Index(i)), fail)
		}
	case reflect.String:
		if _, ok := value.(string); !ok {
			wrong("a string")
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			wrong("true or false")
		}
	case reflect.Int32, reflect.Int64:
		if _, ok := value.(int64); !ok {
			wrong("an integer")
		}
	}
}

func compareFields(object map[string]any, known map[string]reflect.Type, path string, fail func(path, reason string)) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		inner := string(decision.FieldPath(path).Child(name))
		if want, found := known[name]; found {
			compare(object[name], want, inner, fail)
			continue
		}
		reason := "unknown field"
		if near := Nearest(name, slices.Sorted(maps.Keys(known))); near != "" {
			reason += fmt.Sprintf(", did you mean %q?", near)
		}
		fail(inner, reason)
	}
}

// fieldsOf returns the JSON fields of a struct, including those of inlined structs.
func fieldsOf(structure reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range structure.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "" && field.Anonymous:
			maps.Copy(fields, fieldsOf(field.Type))
		case name != "" && name != "-":
			fields[name] = field.Type
		}
	}
	return fields
}

// describe returns the JSON type of a value, never the value.
func describe(value any) string {
	switch value.(type) {
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	}
	return "null"
}
