package request

import "k8s.io/apimachinery/pkg/runtime/schema"

// Owner is the controlling owner in an object's ownerReferences. Anyone can write it.
type Owner struct{ Group, Kind, Name, UID string }

// Controller returns the controlling owner of an object, or the zero Owner if it has none.
func Controller(object map[string]any) Owner {
	owners, _ := at(object, "metadata", "ownerReferences").([]any)
	for _, item := range owners {
		owner, _ := item.(map[string]any)
		if at(owner, "controller") == true {
			kind := schema.FromAPIVersionAndKind(stringAt(owner, "apiVersion"), stringAt(owner, "kind"))
			return Owner{Group: kind.Group, Kind: kind.Kind, Name: stringAt(owner, "name"), UID: stringAt(owner, "uid")}
		}
	}
	return Owner{}
}
