package strict

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// value compares a value with the Go type that the API server decodes it into. Null is valid for
// every type and results in the zero value.
func (c *check) value(value any, t reflect.Type, path string) {
	if value == nil {
		return
	}
	if t.Kind() == reflect.Pointer {
		c.value(value, t.Elem(), path)
		return
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		c.custom(value, t, path)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		c.fields(value, t, path)
	case reflect.Map:
		c.members(value, t, path)
	case reflect.Slice, reflect.Array:
		c.elements(value, t, path)
	case reflect.Interface:
	default:
		c.scalar(value, t, path)
	}
}

func (c *check) fields(value any, t reflect.Type, path string) {
	object, ok := value.(map[string]any)
	if !ok {
		c.mismatch(value, path, "must be a map of fields")
		return
	}
	known := c.fieldsOf(t)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := string(decision.FieldPath(path).Child(name))
		if field, found := known[name]; found {
			c.value(object[name], field, at)
			continue
		}
		reason := "is not a field that Kubernetes knows, so it has no effect"
		near := config.Nearest(name, slices.Sorted(maps.Keys(known)))
		switch {
		case near != "":
			reason += ": did you mean " + near + "?"
		case c.foreign:
			continue
		}
		c.faults = append(c.faults, Fault{Path: at, Reason: reason, Dropped: true})
	}
}

// fieldsOf returns the types of a struct's fields by JSON name, including those of embedded
// structs that JSON inlines.
func (c *Checker) fieldsOf(t reflect.Type) map[string]reflect.Type {
	if known, found := c.types.Load(t); found {
		return known.(map[string]reflect.Type) //nolint:forcetypeassert // nothing else is stored
	}
	fields := map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported() || len(field.Index) > 1 && !inlined(t, field.Index):
		case name != "":
			fields[name] = field.Type
		case !field.Anonymous:
			fields[field.Name] = field.Type
		}
	}
	c.types.Store(t, fields)
	return fields
}

// inlined reports whether JSON inlines all the structs that lead to a promoted field.
func inlined(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		field := t.Field(i)
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			return false
		}
		t = field.Type
	}
	return true
}

func (c *check) members(value any, t reflect.Type, path string) {
	object, ok := value.(map[string]any)
	if !ok {
		c.mismatch(value, path, "must be a map")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		c.value(object[name], t.Elem(), string(decision.FieldPath(path).Key(name)))
	}
}

func (c *check) elements(value any, t reflect.Type, path string) {
	if t.Elem().Kind() == reflect.Uint8 {
		c.bytes(value, path)
		return
	}
	list, ok := value.([]any)
	if !ok {
		c.mismatch(value, path, `must be a list: begin each element with "- "`)
		return
	}
	for i, element := range list {
		c.value(element, t.Elem(), string(decision.FieldPath(path).Index(i)))
	}
}

// bytes only warns about text that is not base64: references and placeholders are common in
// Secrets that a tool completes before they are applied.
func (c *check) bytes(value any, path string) {
	text, ok := value.(string)
	if !ok {
		c.mismatch(value, path, "must be a base64 string: "+quoted(value))
		return
	}
	if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		reason := "is not base64: the API server rejects it unless a tool replaces it first"
		if strings.HasPrefix(path, "data[") {
			reason += "; plain text belongs in stringData of a Secret, or data of a ConfigMap"
		}
		c.faults = append(c.faults, Fault{Path: path, Reason: reason, Dropped: true})
	}
}

func (c *check) scalar(value any, t reflect.Type, path string) {
	switch t.Kind() {
	case reflect.String:
		if _, ok := value.(string); !ok {
			c.mismatch(value, path, "must be a string: "+quoted(value))
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			c.mismatch(value, path, "must be true or false"+unquoted(value))
		}
	case reflect.Float32, reflect.Float64:
		switch value.(type) {
		case int64, float64:
		default:
			c.mismatch(value, path, "must be a number"+unquoted(value))
		}
	default:
		integer, ok := value.(int64)
		switch {
		case !ok:
			c.mismatch(value, path, "must be a whole number"+unquoted(value))
		case overflows(integer, t):
			c.refuse(path, "is a number too large for this field")
		}
	}
}

func overflows(integer int64, t reflect.Type) bool {
	zero := reflect.Zero(t)
	if zero.CanInt() {
		return zero.OverflowInt(integer)
	}
	return integer < 0 || zero.CanUint() && zero.OverflowUint(uint64(integer))
}

// quoted explains how to turn a value into text.
func quoted(value any) string {
	switch value.(type) {
	case bool:
		return "quote it, or YAML reads it as true or false"
	case int64, float64:
		return "quote it, or YAML reads it as a number"
	case []any:
		return "it is a list"
	}
	return "it is a map"
}

func unquoted(value any) string {
	if text, ok := value.(string); ok {
		if _, err := strconv.ParseFloat(text, 64); err == nil || text == "true" || text == "false" {
			return ": remove the quotes"
		}
	}
	return ""
}

// custom checks a value against a type that implements json.Unmarshaler.
func (c *check) custom(value any, t reflect.Type, path string) {
	if text, ok := value.(string); ok && t == reflect.TypeFor[resource.Quantity]() && request.HugeExponent(text) {
		c.refuse(path, "has an exponent with more digits than any quantity needs")
		return
	}
	text, err := json.Marshal(value)
	if err != nil || json.Unmarshal(text, reflect.New(t).Interface()) == nil {
		return
	}
	c.mismatch(value, path, expectation(value, t))
}

func expectation(value any, t reflect.Type) string {
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return "is not a quantity, such as 100m or 128Mi" + nearQuantity(value)
	case reflect.TypeFor[intstr.IntOrString]():
		return "must be a whole number or a string"
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return "is not a time, such as 2026-01-31T12:00:00Z"
	case reflect.TypeFor[metav1.Duration]():
		return "is not a duration, such as 1m30s"
	}
	return "cannot be read as " + t.Name()
}

// nearQuantity suggests a suffix that differs only in case, or in the B for bytes.
func nearQuantity(value any) string {
	text, _ := value.(string)
	parts := regexp.MustCompile(`^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$`).FindStringSubmatch(text)
	if parts == nil {
		return ""
	}
	// An m after a space means milli, not mega, so its case is not changed.
	if parts[2] == "m" {
		return ": did you mean " + parts[1] + "m?"
	}
	suffix := strings.TrimSuffix(strings.ToLower(parts[2]), "b")
	for _, known := range []string{"Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "k", "M", "G", "T", "P", "E"} {
		if strings.EqualFold(known, suffix) {
			return ": did you mean " + parts[1] + known + "?"
		}
	}
	return ""
}

// mismatch refuses a value of the wrong type. Text in place of another type may be a placeholder.
func (c *check) mismatch(value any, path, reason string) {
	text, _ := value.(string)
	c.faults = append(c.faults, Fault{Path: path, Reason: reason, Placeholder: placeholder().MatchString(text)})
}

// placeholder matches the placeholders of envsubst, Flux, Argo CD and similar tools.
func placeholder() *regexp.Regexp {
	return regexp.MustCompile(`\$\{[^}]+\}|\$\([^)]+\)|\{\{.*\}\}|<[A-Za-z][^>]*>|__[A-Z0-9_]+__|@[A-Z0-9_]+@|%[A-Z0-9_]+%|^\$[A-Z_][A-Z0-9_]*$`)
}
