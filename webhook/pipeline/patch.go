package pipeline

import (
	"strings"

	"taffrail.dev/webhook/decision"
)

// patchFor returns the patch that sets the enforced fills in r.Original. It creates only
// missing parents, and adds values but never replaces them.
func patchFor(r *decision.Request, fills []decision.Fill) []decision.PatchOperation {
	var operations []decision.PatchOperation
	for i := range r.Workload.Containers {
		c := &r.Workload.Containers[i]
		var own []decision.Fill
		for _, fill := range fills {
			if fill.Container == c.Name && fill.Mode == decision.ModeEnforce {
				own = append(own, fill)
			}
		}
		if len(own) > 0 {
			// It is nil if the object has changed since its containers were read.
			container, _ := decision.FieldPath(c.Path).Of(r.Original).(map[string]any)
			operations = append(operations, containerPatch(container, c.Pointer().Join("resources"), own)...)
		}
	}
	return operations
}

// containerPatch sets fills in the resources of a container, which are at a pointer.
func containerPatch(container map[string]any, at decision.Pointer, fills []decision.Fill) []decision.PatchOperation {
	lists := map[string]map[string]any{}
	var order []string
	for _, fill := range fills {
		// A field is resources.<list>.<resource>; the name of the resource may contain dots.
		parts := strings.SplitN(fill.Field, ".", 3)
		list, name := parts[1], parts[2]
		if lists[list] == nil {
			lists[list] = map[string]any{}
			order = append(order, list)
		}
		lists[list][name] = fill.Value
	}
	resources, _ := container["resources"].(map[string]any)
	if resources == nil {
		whole := map[string]any{}
		for list, values := range lists {
			whole[list] = values
		}
		return []decision.PatchOperation{{Op: "add", Path: string(at), Value: whole}}
	}
	var operations []decision.PatchOperation
	for _, list := range order {
		if present, _ := resources[list].(map[string]any); present == nil {
			operations = append(operations, decision.PatchOperation{Op: "add", Path: string(at.Join(list)), Value: lists[list]})
			continue
		}
		for _, fill := range fills {
			parts := strings.SplitN(fill.Field, ".", 3)
			if parts[1] == list {
				operations = append(operations, decision.PatchOperation{Op: "add", Path: string(at.Join(list, parts[2])), Value: fill.Value})
			}
		}
	}
	return operations
}
