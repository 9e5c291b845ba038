package rego

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/decision"
)

// MetadataError reports a fault in a policy's METADATA.
type MetadataError struct {
	// File and Row locate the METADATA comment; Row is 0 if there is none.
	File   string
	Row    int
	Field  string
	Reason string
}

func (e *MetadataError) Error() string {
	return fmt.Sprintf("%s: METADATA %s: %s", position(e.File, e.Row), e.Field, e.Reason)
}

// newPolicy reads the METADATA of a policy's package. The error joins a *MetadataError for each fault, in the
// order of AUTHORING.md. Users' Policies need no section and have no default Guardrail.
func newPolicy(module *ast.Module, file string, user bool) (*Policy, error) {
	annotations := packageAnnotations(module)
	if annotations == nil {
		return nil, &MetadataError{File: file, Field: "block", Reason: "is missing above the package"}
	}
	r := &metadataReader{file: file, row: annotations.Location.Row}
	if err := r.read(annotations.Custom); err != nil {
		return nil, err
	}
	r.present("title", annotations.Title)
	r.present("description", annotations.Description)
	p := &Policy{
		ID: r.text("id"), Title: annotations.Title, Description: annotations.Description,
		Severity:         decision.Severity(r.choice("severity", r.text("severity"), severities)),
		Section:          r.section(user),
		Kinds:            r.kinds(),
		DefaultMode:      r.mode(user),
		DefaultGuardrail: r.defaultGuardrail(user),
		Remediation:      r.text("remediation"),
		Facts:            r.facts(),
		Package:          packageOf(module),
		User:             user,
		programs:         &programCache{},
	}
	p.schema = r.parameters()
	p.asWritten = !r.optionalBool("complete_kinds", true)
	p.ignoresControlled = r.optionalBool("ignores_controlled", false)
	r.unknown()
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	p.Parameters = p.schema.parameters
	return p, nil
}

var (
	severities = []string{string(decision.SeverityLow), string(decision.SeverityMedium), string(decision.SeverityHigh), string(decision.SeverityCritical)}
	guardrails = []string{string(GuardrailChapter), string(GuardrailRestricted)}

	// builtinKinds lists the kinds of the groups that contain only built-in kinds. Any other group may contain
	// custom resources.
	builtinKinds = map[string][]string{
		"": {
			"Binding", "ConfigMap", "Endpoints", "Event", "LimitRange", "Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim",
			"Pod", "PodTemplate", "ReplicationController", "ResourceQuota", "Secret", "Service", "ServiceAccount",
		},
		"apps":  {"ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"},
		"batch": {"CronJob", "Job"},
	}
)

// metadataReader reads the fields of METADATA that Taffrail defines, and collects the errors. It checks values
// one by one because the errors of a JSON decoder are about Go types, which Policy authors do not know.
type metadataReader struct {
	file   string
	row    int
	custom map[string]any
	known  []string // the fields that were looked up
	errs   []error
}

func (r *metadataReader) fail(field, format string, args ...any) {
	r.errs = append(r.errs, &MetadataError{File: r.file, Row: r.row, Field: field, Reason: fmt.Sprintf(format, args...)})
}

// read converts the values to JSON's types, which parameters use.
func (r *metadataReader) read(custom map[string]any) error {
	text, err := json.Marshal(custom)
	if err == nil {
		err = json.Unmarshal(text, &r.custom)
	}
	if err != nil {
		return &MetadataError{File: r.file, Row: r.row, Field: "custom", Reason: err.Error()}
	}
	return nil
}

// value returns nil if the field is missing.
func (r *metadataReader) value(name string) any {
	r.known = append(r.known, name)
	return r.custom[name]
}

func (r *metadataReader) present(field, text string) {
	if strings.TrimSpace(text) == "" {
		r.fail(field, "is missing")
	}
}

func (r *metadataReader) text(name string) string {
	before := len(r.errs)
	text := r.optionalText(name, "")
	if len(r.errs) == before {
		r.present("custom."+name, text)
	}
	return text
}

func (r *metadataReader) optionalText(name, otherwise string) string {
	switch value := r.value(name).(type) {
	case nil:
		return otherwise
	case string:
		if strings.TrimSpace(value) == "" {
			return otherwise
		}
		return value
	case map[string]any, []any:
		r.fail("custom."+name, "must be a string")
	default:
		r.fail("custom."+name, "must be a string: quote it")
	}
	return ""
}

func (r *metadataReader) optionalBool(name string, otherwise bool) bool {
	switch value := r.value(name).(type) {
	case nil:
		return otherwise
	case bool:
		return value
	}
	r.fail("custom."+name, "must be true or false")
	return otherwise
}

// texts returns the strings of a list, or nil if the field is missing.
func (r *metadataReader) texts(name string) (texts []string) {
	value := r.value(name)
	list, ok := value.([]any)
	if !ok && value != nil {
		r.fail("custom."+name, "must be a list")
	}
	for i, element := range list {
		text, ok := element.(string)
		if !ok {
			r.fail(fmt.Sprintf("custom.%s[%d]", name, i), "must be a string: quote it")
			continue
		}
		texts = append(texts, text)
	}
	return texts
}

// choice returns the value if it is allowed. An empty value has already been reported.
func (r *metadataReader) choice(name, value string, allowed []string) string {
	if value != "" && !slices.Contains(allowed, value) {
		r.fail("custom."+name, "%q is not one of %v", value, allowed)
	}
	return value
}

func (r *metadataReader) section(user bool) string {
	if user {
		return r.optionalText("section", "")
	}
	return r.text("section")
}

func (r *metadataReader) defaultGuardrail(user bool) DefaultGuardrail {
	if !user {
		return DefaultGuardrail(r.choice("default_guardrail", r.optionalText("default_guardrail", string(GuardrailChapter)), guardrails))
	}
	if _, given := r.custom["default_guardrail"]; given {
		r.known = append(r.known, "default_guardrail")
		r.fail("custom.default_guardrail", "is for the library: a policy of your own applies where a Guardrail binds it")
	}
	return ""
}

func (r *metadataReader) mode(user bool) decision.Mode {
	var text string
	if user {
		text = r.optionalText("default_mode", decision.ModeWarn.String())
	} else {
		text = r.text("default_mode")
	}
	mode, err := decision.ParseMode(text)
	if err != nil && text != "" {
		r.fail("custom.default_mode", "%s", err)
	}
	return mode
}

func (r *metadataReader) facts() (facts []decision.Fact) {
	var known []string
	for _, fact := range decision.AllFacts() {
		known = append(known, string(fact))
	}
	for _, name := range r.texts("facts") {
		facts = append(facts, decision.Fact(r.choice("facts", name, known)))
	}
	return facts
}

func (r *metadataReader) kinds() (kinds []schema.GroupKind) {
	before := len(r.errs)
	for _, text := range r.texts("kinds") {
		kind := schema.ParseGroupKind(text)
		if reason := noKind(kind); reason != "" {
			r.fail("custom.kinds", "%q: %s", text, reason)
		}
		kinds = append(kinds, kind)
	}
	if len(kinds) == 0 && len(r.errs) == before {
		r.fail("custom.kinds", "is missing")
	}
	return kinds
}

// noKind returns why the kind cannot exist, or "" if it may.
func noKind(kind schema.GroupKind) string {
	builtin, known := builtinKinds[kind.Group]
	switch {
	case known && slices.Contains(builtin, kind.Kind):
		return ""
	case known:
		for _, group := range slices.Sorted(maps.Keys(builtinKinds)) {
			if slices.Contains(builtinKinds[group], kind.Kind) {
				return fmt.Sprintf("write %s", schema.GroupKind{Group: group, Kind: kind.Kind})
			}
		}
		group := kind.Group
		if group == "" {
			group = "core"
		}
		return fmt.Sprintf("the %s group has no such kind, only %v", group, builtin)
	case len(validation.IsDNS1035Label(strings.ToLower(kind.Kind))) > 0 || len(validation.IsDNS1123Subdomain(kind.Group)) > 0:
		return "write Kind, or Kind.group outside the core group, without a version"
	}
	return ""
}

func (r *metadataReader) parameters() *parameterSchema {
	value := r.value("parameters")
	declared, ok := value.(map[string]any)
	if !ok && value != nil {
		r.fail("custom.parameters", "must be a map")
		return nil
	}
	parameters, err := newParameterSchema(declared)
	if err != nil {
		r.fail("custom.parameters", "%s", err)
	}
	return parameters
}

// unknown reports fields that were never looked up. It must be called last.
func (r *metadataReader) unknown() {
	for _, name := range slices.Sorted(maps.Keys(r.custom)) {
		if !slices.Contains(r.known, name) {
			r.fail("custom."+name, "is unknown: use %s", strings.Join(r.known, ", "))
		}
	}
}

func packageAnnotations(module *ast.Module) *ast.Annotations {
	for _, annotations := range module.Annotations {
		if annotations.Scope == "package" {
			return annotations
		}
	}
	return nil
}
