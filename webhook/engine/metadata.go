package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/review"
)

// MetadataError says what is wrong with a policy's METADATA.
type MetadataError struct {
	// File and Row of the METADATA comment; Row is 0 where there is none.
	File   string
	Row    int
	Field  string
	Reason string
}

func (e *MetadataError) Error() string {
	place := e.File
	if e.Row > 0 {
		place = fmt.Sprintf("%s:%d", e.File, e.Row)
	}
	return fmt.Sprintf("%s: METADATA %s: %s", place, e.Field, e.Reason)
}

// custom is the part of METADATA that is Taffrail's own.
type custom struct {
	ID          string          `json:"id"`
	Severity    review.Severity `json:"severity"`
	Section     string          `json:"section"`
	Kinds       []string        `json:"kinds"`
	DefaultMode string          `json:"default_mode"`
	Remediation string          `json:"remediation"`
	Facts       []string        `json:"facts"`
	Parameters  map[string]any  `json:"parameters"`
}

// newPolicy reads the METADATA of a policy's package.
func newPolicy(module *ast.Module, file string) (*Policy, error) {
	annotations := packageAnnotations(module)
	if annotations == nil {
		return nil, &MetadataError{File: file, Field: "block", Reason: "is missing above the package"}
	}
	fail := func(field, format string, args ...any) error {
		return &MetadataError{File: file, Row: annotations.Location.Row, Field: field, Reason: fmt.Sprintf(format, args...)}
	}
	var c custom
	if err := decodeStrict(annotations.Custom, &c); err != nil {
		return nil, fail("custom", "%s", err)
	}
	for field, value := range map[string]string{
		"title": annotations.Title, "description": annotations.Description, "custom.id": c.ID, "custom.section": c.Section,
		"custom.severity": string(c.Severity), "custom.default_mode": c.DefaultMode, "custom.remediation": c.Remediation,
	} {
		if strings.TrimSpace(value) == "" {
			return nil, fail(field, "is missing")
		}
	}
	severities := []review.Severity{review.SeverityLow, review.SeverityMedium, review.SeverityHigh, review.SeverityCritical}
	if !slices.Contains(severities, c.Severity) {
		return nil, fail("custom.severity", "%q is not one of %v", c.Severity, severities)
	}
	mode, err := review.ParseMode(c.DefaultMode)
	if err != nil {
		return nil, fail("custom.default_mode", "%s", err)
	}
	if len(c.Kinds) == 0 {
		return nil, fail("custom.kinds", "is missing")
	}
	p := &Policy{
		ID: c.ID, Title: annotations.Title, Description: annotations.Description, Severity: c.Severity,
		Section: c.Section, DefaultMode: mode, Remediation: c.Remediation, Facts: c.Facts,
		Package: strings.TrimPrefix(module.Package.Path.String(), "data."),
	}
	for _, kind := range c.Kinds {
		p.Kinds = append(p.Kinds, schema.ParseGroupKind(kind))
	}
	known := []string{"limitRanges", "resourceQuotas"}
	for _, fact := range c.Facts {
		if !slices.Contains(known, fact) {
			return nil, fail("custom.facts", "%q is not one of %v", fact, known)
		}
	}
	if p.schema, err = newParameterSchema(c.Parameters); err != nil {
		return nil, fail("custom.parameters", "%s", err)
	}
	p.Parameters = p.schema.parameters
	return p, nil
}

func packageAnnotations(module *ast.Module) *ast.Annotations {
	for _, annotations := range module.Annotations {
		if annotations.Scope == "package" {
			return annotations
		}
	}
	return nil
}

func decodeStrict(from map[string]any, into any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
