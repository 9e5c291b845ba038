package chart

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// schema has the parts of a JSON schema that the test reads.
type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 any                `json:"type"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties any                `json:"additionalProperties"`
	Definitions          map[string]*schema `json:"definitions"`
}

// A value that is missing from the schema cannot be set, and one that is only in the schema has no effect.
// Kubernetes' own types are exceptions, because they define their own keys.
func TestSchemaAndValuesNameTheSameKeys(t *testing.T) {
	text, err := os.ReadFile(chartDir + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var whole schema
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	text, err = os.ReadFile(chartDir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	// These belong to a parent chart: it may set the first, and use the second as its condition.
	delete(whole.Properties, "global")
	delete(whole.Properties, "enabled")
	var compare func(path string, s *schema, value any)
	compare = func(path string, s *schema, value any) {
		if name, ok := strings.CutPrefix(s.Ref, "#/definitions/"); ok {
			if s = whole.Definitions[name]; s == nil {
				t.Fatalf("%s: no definition %s", path, name)
			}
		}
		below, ok := value.(map[string]any)
		if !ok || len(s.Properties) == 0 || len(below) == 0 {
			return
		}
		if s.AdditionalProperties != false {
			return
		}
		want, got := slices.Sorted(maps.Keys(s.Properties)), slices.Sorted(maps.Keys(below))
		if !slices.Equal(want, got) {
			t.Errorf("%s: the schema has %v, the values %v", path, want, got)
		}
		for key, child := range below {
			if s.Properties[key] != nil {
				compare(path+"."+key, s.Properties[key], child)
			}
		}
	}
	compare("", &whole, values)
}
