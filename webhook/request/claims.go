package request

import (
	"strconv"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// addClaims adds the PersistentVolumeClaims in r.Object. It skips values of the wrong type,
// which the API server rejects.
func addClaims(r *decision.Request) error {
	switch r.Kind.GroupKind() {
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		return addClaim(r, decision.Claim{Source: decision.ClaimObject, Name: r.Name}, r.Object)
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		templates, _ := at(r.Object, "spec", "volumeClaimTemplates").([]any)
		for i, item := range templates {
			template, _ := item.(map[string]any)
			claim := decision.Claim{
				Source: decision.ClaimTemplate, Name: stringAt(template, "metadata", "name"),
				Path: "spec.volumeClaimTemplates[" + strconv.Itoa(i) + "]",
			}
			if err := addClaim(r, claim, template); err != nil {
				return err
			}
		}
	}
	if r.Workload == nil {
		return nil
	}
	volumes, _ := at(r.Workload.Pod, "spec", "volumes").([]any)
	for i, item := range volumes {
		volume, _ := item.(map[string]any)
		path := join(r.Workload.PodPath, "spec") + ".volumes[" + strconv.Itoa(i) + "]"
		if source := mapAt(volume, "persistentVolumeClaim"); source != nil {
			r.Claims = append(r.Claims, decision.Claim{Source: decision.ClaimVolume, Name: stringAt(source, "claimName"), Path: path})
		}
		if template := mapAt(volume, "ephemeral", "volumeClaimTemplate"); template != nil {
			claim := decision.Claim{
				Source: decision.ClaimEphemeral, Name: stringAt(volume, "name"), Path: path + ".ephemeral.volumeClaimTemplate",
			}
			if err := addClaim(r, claim, template); err != nil {
				return err
			}
		}
	}
	return nil
}

func addClaim(r *decision.Request, claim decision.Claim, object map[string]any) error {
	spec := mapAt(object, "spec")
	claim.Known, claim.VolumeMode = true, stringAt(spec, "volumeMode")
	modes, _ := spec["accessModes"].([]any)
	for _, mode := range modes {
		if text, ok := mode.(string); ok {
			claim.AccessModes = append(claim.AccessModes, text)
		}
	}
	if class, ok := spec["storageClassName"].(string); ok {
		claim.StorageClass = &class
	}
	requests, err := quantities(mapAt(spec, "resources", "requests"), func() string { return join(claim.Path, "spec.resources.requests") })
	if err != nil {
		return err
	}
	claim.Requests = requests
	r.Claims = append(r.Claims, claim)
	return nil
}
