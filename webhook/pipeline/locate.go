package pipeline

import (
	"strconv"
	"strings"
)

// containerAt returns the container at a path that package request has found in the same
// object, or nil if the object has changed since.
func containerAt(object map[string]any, path string) map[string]any {
	var at any = object
	for segment := range strings.SplitSeq(path, ".") {
		name, index, indexed := strings.Cut(segment, "[")
		members, _ := at.(map[string]any)
		at = members[name]
		if indexed {
			elements, _ := at.([]any)
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil || i >= len(elements) {
				return nil
			}
			at = elements[i]
		}
	}
	container, _ := at.(map[string]any)
	return container
}
