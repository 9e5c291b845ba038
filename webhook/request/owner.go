package request

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Owner is the controlling owner in an object's ownerReferences. Anyone can write it.
type Owner struct{ Group, Kind, Name, UID string }

// Controller returns the controlling owner of an object, or the zero Owner if it has none.
func Controller(object map[string]any) Owner {
	owners, _ := at(object, "metadata", "ownerReferences").([]any)
	for _, item := range owners {
		owner, _ := item.(map[string]any)
		if at(owner, "controller") == true {
			return OwnerOf(&metav1.OwnerReference{
				APIVersion: stringAt(owner, "apiVersion"), Kind: stringAt(owner, "kind"), Name: stringAt(owner, "name"), UID: types.UID(stringAt(owner, "uid")),
			})
		}
	}
	return Owner{}
}

// OwnerOf returns the Owner that a reference names, or the zero Owner if it is nil.
func OwnerOf(reference *metav1.OwnerReference) Owner {
	if reference == nil {
		return Owner{}
	}
	kind := schema.FromAPIVersionAndKind(reference.APIVersion, reference.Kind)
	return Owner{Group: kind.Group, Kind: kind.Kind, Name: reference.Name, UID: string(reference.UID)}
}
