package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// RevisionData is the field of a ControllerRevision that contains the state of its StatefulSet
// or DaemonSet as a strategic merge patch, {"spec":{"template":{…,"$patch":"replace"}}}.
const RevisionData = "data"

// IsRevision reports whether a kind is ControllerRevision.
func IsRevision(kind schema.GroupKind) bool {
	return kind == schema.GroupKind{Group: "apps", Kind: "ControllerRevision"}
}

// RevisedKinds returns the kinds that ControllerRevisions are decided as.
func RevisedKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{appsv1.SchemeGroupVersion.WithKind("StatefulSet"), revisedKind()}
}

// revisedKind returns DaemonSet, the kind of Request.Revision.
func revisedKind() schema.GroupVersionKind { return appsv1.SchemeGroupVersion.WithKind("DaemonSet") }

// RevisionTemplate returns the template that a rollback to a ControllerRevision would produce,
// with API defaults. It returns nil if the data has no containers or can be read in more than
// one way: then it belongs to another kind, for example a virtual machine.
func RevisionTemplate(revision map[string]any) map[string]any {
	template, ambiguous, err := readRevision(revision)
	if err != nil || ambiguous != "" {
		return nil
	}
	return template
}

// readRevision returns the Pod template in a ControllerRevision. It reads it like the
// StatefulSet controller, which applies the data as a strategic merge patch and decodes the
// result with encoding/json: field names match in any case, and spaces around quantities are
// ignored. template is nil if there are no containers. ambiguous describes why a policy may
// read something else than the controller; it is empty if there is no such reason.
func readRevision(revision map[string]any) (template map[string]any, ambiguous string, err error) {
	data, ok := revision[RevisionData].(map[string]any)
	if !ok {
		return nil, "", nil // not a patch
	}
	if hugeQuantities(data) {
		return nil, "", &LimitError{What: "exponent", Limit: MaxExponentDigits}
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, "", err
	}
	var used, exact appsv1.StatefulSet
	usedErr := json.Unmarshal(raw, &used)
	exactErr := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(data, &exact, true)
	pod := mapAt(data, "spec", "template", "spec")
	hasPod := hasContainers(&used) || pod["containers"] != nil || pod["initContainers"] != nil
	// The StatefulSet controller creates Pods from its revisions even without a rollback. It
	// adopts revisions without a controller, and the garbage collector removes a controlling
	// owner of a built-in kind that does not exist.
	owner := Controller(revision)
	adoptable := owner == (Owner{}) || owner.Group == appsv1.GroupName
	if !hasPod && !adoptable {
		return nil, "", nil
	}
	if directive := strayDirective(data, nil); directive != "" {
		return nil, fmt.Sprintf("data has the directive %q, so its result depends on what it is applied to", shortened(directive)), nil
	}
	if usedErr != nil {
		return nil, "", nil //nolint:nilerr // no controller can apply it
	}
	if misspelled(exactErr) || !apiequality.Semantic.DeepEqual(&exact.Spec, &used.Spec) {
		return nil, "data has a field name in a different case, which controllers accept as that field and policies do not", nil
	}
	if !hasPod {
		switch {
		case len(used.Spec.VolumeClaimTemplates) > 0:
			return nil, "data changes volumeClaimTemplates", nil
		case !apiequality.Semantic.DeepEqual(used.Spec.Template, corev1.PodTemplateSpec{}):
			return nil, "data changes a part of a Pod template, so its result depends on what it is applied to", nil
		}
		return nil, "", nil
	}
	if adoptable {
		switch {
		case len(used.Spec.VolumeClaimTemplates) > 0:
			return nil, "data changes volumeClaimTemplates", nil
		case mapAt(data, "spec", "template")["$patch"] != "replace":
			return nil, "data is merged into the existing template, so its result depends on that", nil
		}
	}
	template, _ = plainValues(mapAt(data, "spec", "template")).(map[string]any)
	delete(template, "$patch") // directs how the rest is merged
	defaultPodSpec(mapAt(template, "spec"))
	return template, "", nil
}

// misspelled reports whether an object does not decode, or has a name that differs from a
// field's only in case. Which of two such names takes effect depends on their order.
func misspelled(err error) bool {
	strict, ok := runtime.AsStrictDecodingError(err)
	if !ok {
		return err != nil
	}
	known := fieldNames(reflect.TypeFor[appsv1.StatefulSetSpec](), map[reflect.Type]bool{}, map[string]bool{"spec": true})
	return slices.ContainsFunc(strict.Errors(), func(unknown error) bool {
		name := strings.TrimSuffix(unknown.Error(), `"`)
		name = name[strings.LastIndexAny(name, `."`)+1:]
		return !known[name] && slices.ContainsFunc(slices.Collect(maps.Keys(known)), func(field string) bool { return strings.EqualFold(field, name) })
	})
}

// fieldNames adds the JSON names of the fields of a type and of all types that it contains.
func fieldNames(t reflect.Type, seen map[reflect.Type]bool, names map[string]bool) map[string]bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return names
	}
	seen[t] = true
	for field := range t.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names[name] = true
		}
		fieldNames(field.Type, seen, names)
	}
	return names
}

func hasContainers(set *appsv1.StatefulSet) bool {
	return len(set.Spec.Template.Spec.Containers) > 0 || len(set.Spec.Template.Spec.InitContainers) > 0
}

// strayDirective returns a directive of a strategic merge patch other than the one with which
// controllers replace the whole template, or "".
func strayDirective(value any, path []string) string {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if strings.HasPrefix(name, "$") && (name != "$patch" || member != "replace" || strings.Join(path, ".") != "spec.template") {
				return name
			}
			if found := strayDirective(member, append(path, name)); found != "" {
				return found
			}
		}
	case []any:
		for _, element := range value {
			if found := strayDirective(element, append(path, "[]")); found != "" {
				return found
			}
		}
	}
	return ""
}

// plainValues returns a copy with values as the API server writes them: quantities without
// spaces around them, and integers without a fraction.
func plainValues(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(value))
		for name, member := range value {
			copied[name] = plainValues(member)
		}
		for _, list := range []string{"limits", "requests", "overhead"} {
			quantities, _ := copied[list].(map[string]any)
			for name, quantity := range quantities {
				if text, ok := quantity.(string); ok {
					quantities[name] = trimmed(text)
				}
			}
		}
		return copied
	case []any:
		copied := make([]any, len(value))
		for i := range value {
			copied[i] = plainValues(value[i])
		}
		return copied
	case float64:
		if value == math.Trunc(value) && math.Abs(value) < 1<<53 {
			return int64(value)
		}
	}
	return value
}

// addRevision sets r.Revision for a ControllerRevision. Otherwise a forged revision and a
// rollback would bypass every policy.
func addRevision(r *decision.Request) error {
	if !IsRevision(r.Kind.GroupKind()) {
		return nil
	}
	template, ambiguous, err := readRevision(r.Object)
	if err != nil {
		return err
	}
	if r.Ambiguous == "" {
		r.Ambiguous = ambiguous
	}
	old, ambiguous, err := readRevision(r.OldObject)
	if err != nil {
		return err
	}
	if r.OldAmbiguous == "" {
		r.OldAmbiguous = ambiguous
	}
	if template == nil {
		return nil
	}
	set := revisedSet(r.Object, template)
	revision := *r
	revision.Ambiguous, revision.OldAmbiguous = "", ""
	revision.Kind, revision.Object, revision.Original, revision.OldObject = revisedKind(), set, set, nil
	if old != nil {
		revision.OldObject = revisedSet(r.OldObject, old)
	}
	err = complete(&revision)
	if field, ok := errors.AsType[*FieldError](err); ok {
		// The controllers' decoder accepts it, with unknown results.
		if r.Ambiguous == "" {
			r.Ambiguous = "data has a field that policies cannot read: " + field.Error()
		}
		if old != nil && r.OldAmbiguous == "" {
			r.OldAmbiguous = r.Ambiguous // data is immutable
		}
		return nil
	}
	if err == nil {
		r.Revision = &revision
	}
	return err
}

// revisedSet returns a DaemonSet with a revision's template.
func revisedSet(revision, template map[string]any) map[string]any {
	return withTemplate(revisedKind(), revision, template)
}

// withTemplate returns an object of a kind with the given template and the metadata of another
// object.
func withTemplate(kind schema.GroupVersionKind, from, template map[string]any) map[string]any {
	object := map[string]any{
		"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind,
		"metadata": maps.Clone(mapAt(from, "metadata")),
		"spec":     map[string]any{"template": template},
	}
	applyDefaults(kind.GroupKind(), object)
	return object
}

// As returns the request to create an object of another kind with the Pod template of r, which
// must have one. The object has more than one replica, because whoever creates it may choose
// the number.
func As(r *decision.Request, kind schema.GroupVersionKind) (*decision.Request, error) {
	const replicas = 2
	as := *r
	as.Kind, as.Operation, as.OldObject = kind, decision.Create, nil
	as.Object = withTemplate(kind, r.Object, runtime.DeepCopyJSON(r.Workload.Pod))
	if shape, _ := shapeOf(kind.GroupKind()); shape.replicas {
		mapAt(as.Object, "spec")["replicas"] = int64(replicas)
	}
	as.Original = as.Object
	as.LastApplied, as.OldLastApplied, as.Ambiguous, as.OldAmbiguous = nil, nil, "", ""
	as.Workload, as.Claims, as.Schedule, as.Revision = nil, nil, nil, nil
	return &as, complete(&as)
}
