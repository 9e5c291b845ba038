package main

import "encoding/json"

const reviewUID = "705ab4f5-6393-11e8-b7cc-42010a800002"

// A secret controller, as policies let nobody else write a Secret.
const secretController = "system:serviceaccount:external-secrets:external-secrets"

// reviewOf returns the AdmissionReview of the creation of an object.
func reviewOf(group, kind, resource string, object map[string]any) ([]byte, error) {
	metadata, _ := object["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	user := "alice"
	if kind == "Secret" {
		user = secretController
	}
	gvk := map[string]any{"group": group, "version": "v1", "kind": kind}
	gvr := map[string]any{"group": group, "version": "v1", "resource": resource}
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	// The API server's own order of fields: what names the object comes before it.
	return json.Marshal(struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
		Request    any    `json:"request"`
	}{"AdmissionReview", "admission.k8s.io/v1", struct {
		UID             string          `json:"uid"`
		Kind            any             `json:"kind"`
		Resource        any             `json:"resource"`
		RequestKind     any             `json:"requestKind"`
		RequestResource any             `json:"requestResource"`
		Name            string          `json:"name"`
		Namespace       string          `json:"namespace"`
		Operation       string          `json:"operation"`
		UserInfo        any             `json:"userInfo"`
		Object          json.RawMessage `json:"object"`
		OldObject       any             `json:"oldObject"`
		DryRun          bool            `json:"dryRun"`
		Options         any             `json:"options"`
	}{
		UID: reviewUID, Kind: gvk, Resource: gvr, RequestKind: gvk, RequestResource: gvr,
		Name: name, Namespace: "eks-work", Operation: "CREATE",
		UserInfo: map[string]any{"username": user, "groups": []string{"developers", "system:authenticated"}},
		Object:   raw,
		Options:  map[string]any{"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl"},
	}})
}
