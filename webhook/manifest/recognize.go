package manifest

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/manifest/strict"
)

// recognize returns an error if a document cannot be a Kubernetes object. The error is a
// *NotObjectError unless the document claims to be an object.
func recognize(object map[string]any, file string) error {
	apiVersion, kind := object["apiVersion"], object["kind"]
	if isKustomize(apiVersion) {
		return notObject(Kustomization, "is input for kustomize, not an object")
	}
	if what := missing(apiVersion, kind); what != "" {
		reason := "is not a Kubernetes object: " + what
		category := categoryByName(file)
		if claimsToBeObject(object) && category != Chart {
			return errors.New(reason)
		}
		return notObject(category, "%s", reason)
	}
	text, _ := apiVersion.(string)
	gvk := schema.FromAPIVersionAndKind(text, kind.(string))
	if what := message(gvk); what != "" {
		return notObject(Message, "is %s, not an object", what)
	}
	if gvk.Group == "" && gvk.Kind == "Config" {
		return notObject(ToolConfig, "is a kubeconfig, not an object")
	}
	return nil
}

func missing(apiVersion, kind any) string {
	switch {
	case apiVersion == nil && kind == nil:
		return "it has neither apiVersion nor kind"
	case apiVersion == nil:
		return "it has no apiVersion"
	case kind == nil:
		return "it has no kind"
	case !isText(apiVersion) || !isText(kind):
		return "apiVersion and kind must be strings"
	}
	return ""
}

// claimsToBeObject reports whether an incomplete object was meant to be one. Charts, pipelines and
// provisioning files have an apiVersion or a kind of their own, but no metadata.
func claimsToBeObject(object map[string]any) bool {
	_, metadata := object["metadata"].(map[string]any)
	return metadata && (object["apiVersion"] != nil || isText(object["kind"]))
}

// claimsByText is claimsToBeObject for text that cannot be parsed.
func claimsByText(text []byte) bool {
	return regexp.MustCompile(`(?m)^("?apiVersion"?[ \t]*:|"?kind"?[ \t]*:)|"(apiVersion|kind)"[ \t\r\n]*:`).Match(text)
}

// mayClaim is claimsToBeObject for text that kubectl may accept although this parser does not.
// YAML can spell a word without its letters only with escapes and tags.
func mayClaim(text []byte) bool {
	text = bytes.ReplaceAll(text, []byte{0}, nil) // UTF-16 has zero bytes between letters
	return bytes.Contains(text, []byte("apiVersion")) && bytes.Contains(text, []byte("kind")) || bytes.ContainsAny(text, `\!`)
}

// isTemplate reports whether template directives take the place of YAML structure.
func isTemplate(text []byte) bool {
	return regexp.MustCompile(`(?m)^[ \t]*(- )?\{[{%]|^[^"'#\n]*:[ \t]+\{\{`).Match(text)
}

func categoryByName(file string) Category {
	base := filepath.Base(file)
	switch name := strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base))); {
	case name == "kustomization":
		return Kustomization
	case base == "Chart.yaml" || strings.HasPrefix(name, "values"):
		return Chart
	}
	return Foreign
}

func isText(value any) bool {
	text, ok := value.(string)
	return ok && text != ""
}

// isKustomize reports whether an apiVersion is that of a kustomization or of kustomize's built-in
// plugins.
func isKustomize(apiVersion any) bool {
	text, _ := apiVersion.(string)
	return strings.HasPrefix(text, "kustomize.config.k8s.io/") || text == "builtin"
}

// message describes the kinds that are exchanged between clients, API servers and webhooks.
func message(kind schema.GroupVersionKind) string {
	switch {
	case kind.Kind == "AdmissionReview" && kind.Group == "admission.k8s.io":
		return "an AdmissionReview, which the API server sends to a webhook (check its object: jq .request.object FILE | taffrail check -)"
	case kind.Kind == "ConversionReview" && kind.Group == "apiextensions.k8s.io":
		return "a ConversionReview, which the API server sends to a webhook"
	case kind.Group == "" && kind.Kind == "Status":
		return "a Status, which the API server returns for a request"
	case kind.Group == "meta.k8s.io":
		return "a " + kind.Kind + ", a view that the API server returns"
	}
	return ""
}

// check compares an object with the schema of its kind. It adds fields that the API server would
// drop to the warnings, and returns an error if the API server would refuse the object.
func (r *reader) check(item *Item) error {
	apiVersion, _ := item.Object["apiVersion"].(string)
	kind, _ := item.Object["kind"].(string)
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	if isList(gvk) {
		return noItems(item)
	}
	if _, found := item.Object["items"]; found && strict.Known(gvk) {
		return &RefusedError{Faults: []Fault{{Line: item.LineOf("items"), Path: "items", Reason: "is not a field of a " + kind + ": with it, kubectl treats the object as a List"}}}
	}
	if !strict.Known(gvk) {
		if err := checkForeign(item, gvk); err != nil {
			return err
		}
	}
	if key := directive(item.Object, gvk); key != "" {
		return notObject(Patch, "has the directive %s: it is a kustomize patch, not an object", key)
	}
	if what := incomplete(item.Object, gvk.GroupKind()); what != "" {
		return notObject(Patch, "has no %s, which the API server requires in a %s: if it is a kustomize patch, it is not an object", what, kind)
	}
	var refused []Fault
	placeholders := true
	for _, f := range r.checker.Check(item.Object, gvk) {
		fault := Fault{Path: f.Path, Reason: f.Reason}
		fault.Line, fault.column = item.placeOf(f.Path)
		if f.Dropped {
			item.Warnings = append(item.Warnings, fault)
			continue
		}
		refused = append(refused, fault)
		placeholders = placeholders && f.Placeholder
	}
	byPlace := func(a, b Fault) int { return cmp.Or(a.Line-b.Line, a.column-b.column) }
	slices.SortStableFunc(item.Warnings, byPlace)
	slices.SortStableFunc(refused, byPlace)
	switch {
	case len(refused) == 0:
		return nil
	case placeholders:
		return notObject(Template, "has placeholders that no API server accepts: %s; %s", refused[0], Template.Hint())
	}
	return &RefusedError{Faults: refused}
}

func isList(kind schema.GroupVersionKind) bool {
	return strings.HasSuffix(kind.Kind, "List") && strict.Known(kind)
}

// noItems returns the error for a List without items.
func noItems(item *Item) error {
	path, reason := "items", "is missing, so nothing in this List would be applied"
	for _, name := range slices.Sorted(maps.Keys(item.Object)) {
		if _, ok := item.Object[name].([]any); ok {
			path, reason = name, "is not a field of a List: did you mean items?"
		}
	}
	return &RefusedError{Faults: []Fault{{Line: item.LineOf(path), Path: path, Reason: reason}}}
}

// checkForeign checks an object of a kind that is not built in.
func checkForeign(item *Item, kind schema.GroupVersionKind) error {
	if field, reason := strict.Misspelled(kind); reason != "" {
		return &RefusedError{Faults: []Fault{{Line: item.LineOf(field), Path: field, Reason: reason}}}
	}
	if _, ok := item.Object["metadata"].(map[string]any); !ok && item.Object["metadata"] == nil {
		return notObject(ToolConfig, "is not a Kubernetes object: it has no metadata")
	}
	if !strict.KnownGroup(kind.Group) && !strings.Contains(kind.Group, ".") {
		return notObject(ToolConfig, "is not a Kubernetes object: no API server has the group %q", kind.Group)
	}
	return nil
}
