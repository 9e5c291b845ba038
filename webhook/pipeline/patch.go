package pipeline

import (
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/resources"
)

// patchFor returns the patch that sets the fills in r.Original. It creates only missing parents,
// and adds values but never replaces them.
func patchFor(r *decision.Request, fills []resources.Fill) []decision.PatchOperation {
	var operations []decision.PatchOperation
	for i := range r.Workload.Containers {
		c := &r.Workload.Containers[i]
		var own []resources.Fill
		for _, fill := range fills {
			if fill.Container == c.Name {
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
func containerPatch(container map[string]any, at decision.Pointer, fills []resources.Fill) []decision.PatchOperation {
	lists := map[string]map[string]any{}
	var order []string
	for _, fill := range fills {
		list := fill.Field.List()
		if lists[list] == nil {
			lists[list] = map[string]any{}
			order = append(order, list)
		}
		lists[list][string(fill.Field.Resource)] = fill.Value.String()
	}
	present, _ := container["resources"].(map[string]any)
	if present == nil {
		whole := map[string]any{}
		for list, values := range lists {
			whole[list] = values
		}
		return []decision.PatchOperation{{Op: "add", Path: string(at), Value: whole}}
	}
	var operations []decision.PatchOperation
	for _, list := range order {
		if values, _ := present[list].(map[string]any); values == nil {
			operations = append(operations, decision.PatchOperation{Op: "add", Path: string(at.Join(list)), Value: lists[list]})
			continue
		}
		for _, fill := range fills {
			if fill.Field.List() == list {
				operations = append(operations, decision.PatchOperation{
					Op: "add", Path: string(at.Join(list, string(fill.Field.Resource))), Value: fill.Value.String(),
				})
			}
		}
	}
	return operations
}
