package rego

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	validationerrors "k8s.io/kube-openapi/pkg/validation/errors"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

// Parameter describes one parameter of a policy.
type Parameter struct {
	Name        string
	Description string
	Type        string
	// Schema is the OpenAPI v3 schema, decoded to JSON's types.
	Schema  map[string]any
	Default any
}

// parameterSchema validates and defaults the parameters that a Guardrail passes to a policy.
type parameterSchema struct {
	parameters []Parameter // sorted by name
	schemas    map[string]*spec.Schema
	formats    strfmt.Registry
}

func newParameterSchema(declared map[string]any) (*parameterSchema, error) {
	s := &parameterSchema{schemas: map[string]*spec.Schema{}, formats: formats()}
	if declared == nil {
		return s, nil
	}
	for name := range declared {
		if name != "type" && name != "properties" {
			return nil, fmt.Errorf("%q is not supported: use type: object and properties", name)
		}
	}
	if declared["type"] != "object" {
		return nil, errors.New("type must be object")
	}
	properties, _ := declared["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, ok := properties[name].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("properties.%s must be a schema", name)
		}
		parameter := Parameter{Name: name, Schema: property, Default: property["default"]}
		parameter.Type, _ = property["type"].(string)
		parameter.Description, _ = property["description"].(string)
		if parameter.Type == "" || parameter.Description == "" || parameter.Default == nil {
			return nil, fmt.Errorf("properties.%s needs a type, a description and a default", name)
		}
		schema, err := readSchema("properties."+name, property)
		if err != nil {
			return nil, err
		}
		s.schemas[name] = schema
		s.parameters = append(s.parameters, parameter)
		if bad := s.check(name, parameter.Default, field.NewPath("properties")); len(bad) > 0 {
			return nil, fmt.Errorf("the default is refused by the schema: %w", bad.ToAggregate())
		}
	}
	return s, nil
}

// readSchema reads the schema of a parameter. The decoder words the same error differently from process to process,
// and replicas must agree on what the status of a Policy says, so the error names the keyword instead.
func readSchema(path string, property map[string]any) (*spec.Schema, error) {
	text, err := json.Marshal(property)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	schema := new(spec.Schema)
	if json.Unmarshal(text, schema) == nil {
		return schema, nil
	}
	for _, keyword := range slices.Sorted(maps.Keys(property)) {
		if text, err = json.Marshal(map[string]any{keyword: property[keyword]}); err != nil || json.Unmarshal(text, new(spec.Schema)) != nil {
			return nil, fmt.Errorf("%s.%s does not have a value that JSON Schema allows", path, keyword)
		}
	}
	return nil, fmt.Errorf("%s is not a JSON Schema", path)
}

// formats adds Kubernetes quantities to the string formats. A quantity must be greater than zero. An empty
// string is accepted and leaves the value out.
func formats() strfmt.Registry {
	registry := strfmt.NewFormats()
	quantity := new(strfmt.Password)
	registry.Add("quantity", quantity, func(text string) bool {
		quantity, err := resource.ParseQuantity(text)
		return text == "" || err == nil && quantity.Sign() > 0
	})
	return registry
}

func (s *parameterSchema) check(name string, value any, at *field.Path) field.ErrorList {
	var list field.ErrorList
	schema := s.schemas[name]
	result := validate.NewSchemaValidator(schema, nil, at.Child(name).String(), s.formats).Validate(value)
	for _, err := range result.Errors {
		path := at.Child(name)
		var detail *validationerrors.Validation
		if errors.As(err, &detail) && detail.Name != "" {
			path = field.NewPath(detail.Name)
		}
		reason := strings.TrimPrefix(err.Error(), path.String()+" ")
		reason = strings.TrimPrefix(reason, "in body ")
		list = append(list, field.Invalid(path, valueAt(err, value), reason))
	}
	return list
}

// valueAt returns the value that an error is about. Errors about a type carry the name of the actual type
// instead of the value.
func valueAt(err error, whole any) any {
	var detail *validationerrors.Validation
	if errors.As(err, &detail) && detail.Value != nil && detail.Code() != validationerrors.InvalidTypeCode {
		return detail.Value
	}
	return whole
}

// apply returns the parameters that a policy sees: the given ones, validated, with defaults for the rest. It
// changes neither argument.
func (s *parameterSchema) apply(given map[string]any, at *field.Path) (map[string]any, field.ErrorList) {
	var list field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, known := s.schemas[name]; !known {
			list = append(list, field.NotSupported(at.Child(name), name, s.names()))
			continue
		}
		list = append(list, s.check(name, given[name], at)...)
	}
	if len(list) > 0 {
		return nil, list
	}
	all := make(map[string]any, len(s.parameters))
	for _, parameter := range s.parameters {
		value, ok := given[parameter.Name]
		if !ok || value == nil {
			value = parameter.Default
		}
		all[parameter.Name] = withDefaults(s.schemas[parameter.Name], value)
	}
	return all, nil
}

// withDefaults applies the defaults of nested properties, as the API server does for custom resources.
func withDefaults(schema *spec.Schema, value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	filled := runtime.DeepCopyJSON(jsonNumbers(object).(map[string]any))
	for name, property := range schema.Properties {
		if _, given := filled[name]; !given && property.Default != nil {
			filled[name] = property.Default
		}
		if _, given := filled[name]; given {
			filled[name] = withDefaults(&property, filled[name])
		}
	}
	return filled
}

// jsonNumbers converts Go integers to the number types that DeepCopyJSON accepts.
func jsonNumbers(value any) any {
	switch value := value.(type) {
	case int:
		return int64(value)
	case map[string]any:
		out := make(map[string]any, len(value))
		for name, member := range value {
			out[name] = jsonNumbers(member)
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i, element := range value {
			out[i] = jsonNumbers(element)
		}
		return out
	case json.Number:
		if integer, err := value.Int64(); err == nil {
			return integer
		}
		float, _ := value.Float64()
		return float
	}
	return value
}

func (s *parameterSchema) names() []string {
	names := make([]string, 0, len(s.parameters))
	for _, parameter := range s.parameters {
		names = append(names, parameter.Name)
	}
	return names
}
