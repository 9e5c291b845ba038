package replay

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"

	apiresource "k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"

	"taffrail.dev/webhook/decision"
)

// withoutFills returns the text of an object without the values that Taffrail has filled in according to the
// annotations of the event. undone is false if there are none. ok is false if they cannot be separated from what others have
// written.
func withoutFills(text []byte, annotations map[string]string) (sent []byte, undone, ok bool) {
	patches, err := patchesOf(annotations)
	if err != nil {
		return text, false, true // a patch of another kind is not of Taffrail
	}
	first := slices.IndexFunc(patches, func(p webhookPatch) bool { return p.own })
	if first < 0 {
		return text, false, true
	}
	var object map[string]any
	if kjson.UnmarshalCaseSensitivePreserveInts(text, &object) != nil {
		return nil, false, false
	}
	var added []*operation
	for i := len(patches) - 1; i >= first; i-- {
		p := &patches[i]
		if !p.own {
			if slices.ContainsFunc(p.operations, movesContainers) {
				return nil, false, false
			}
			continue
		}
		for k := range slices.Backward(p.operations) {
			if !undo(object, &p.operations[k]) {
				return nil, false, false
			}
			added = append(added, &p.operations[k])
		}
	}
	for _, operation := range added {
		if mayFollow(object, operation) {
			return nil, false, false
		}
	}
	sent, err = json.Marshal(object)
	return sent, true, err == nil
}

// movesContainers reports whether an operation may change the index of a container, or a container's resources.
func movesContainers(o operation) bool {
	paths := []string{o.Path}
	if o.Op == "move" {
		paths = append(paths, o.From)
	}
	return o.Op != "test" && slices.ContainsFunc(paths, func(path string) bool {
		segments := decision.Pointer(path).Segments()
		switch {
		case len(segments) == 0:
			return true
		case segments[0] != "spec":
			return false
		case len(segments) == 1:
			return true
		case segments[1] != "containers" && segments[1] != "initContainers":
			return false
		}
		return len(segments) <= 3 || segments[3] == "resources"
	})
}

// undo removes what an operation has added. It returns false if that is not there.
func undo(object map[string]any, o *operation) bool {
	segments := decision.Pointer(o.Path).Segments()
	if o.Op != "add" || len(segments) == 0 {
		return false
	}
	last := len(segments) - 1
	parent, _ := child(object, segments[:last]...).(map[string]any)
	if parent == nil || !contains(parent[segments[last]], o.Value) {
		return false
	}
	// What is in an object that was added as a whole was added, or follows from it by the defaults of the API server.
	delete(parent, segments[last])
	return true
}

// mayFollow reports whether what is left of an object may be a default that the API server has set because of an added
// limit.
func mayFollow(object map[string]any, o *operation) bool {
	segments := decision.Pointer(o.Path).Segments()
	last := len(segments) - 1
	limits, _ := o.Value.(map[string]any)
	switch {
	case segments[last] == "limits":
	case last > 0 && segments[last-1] == "limits":
		limits, last = map[string]any{segments[last]: o.Value}, last-1
	default:
		return false
	}
	requests, _ := child(object, append(slices.Clone(segments[:last]), "requests")...).(map[string]any)
	for name, limit := range limits {
		if value, found := requests[name]; found && sameValue(value, limit) {
			return true
		}
	}
	return false
}

// child returns what is at a path in an object, or nil.
func child(at any, path ...string) any {
	for _, name := range path {
		switch in := at.(type) {
		case map[string]any:
			at = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return nil
			}
			at = in[i]
		default:
			return nil
		}
	}
	return at
}

// contains reports whether a value has everything of another one.
func contains(value, part any) bool {
	members, ok := part.(map[string]any)
	if !ok {
		return sameValue(value, part)
	}
	all, ok := value.(map[string]any)
	if !ok {
		return false
	}
	for name, member := range members {
		if !contains(all[name], member) {
			return false
		}
	}
	return true
}

// sameValue reports whether two values are equal. The API server writes quantities in another form than they were sent.
func sameValue(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, isText := a.(string)
	y, too := b.(string)
	if !isText || !too {
		return false
	}
	first, err := apiresource.ParseQuantity(x)
	if err != nil {
		return false
	}
	second, err := apiresource.ParseQuantity(y)
	return err == nil && first.Cmp(second) == 0
}
