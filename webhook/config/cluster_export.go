package config

import (
	"encoding/json"
	"reflect"
	"time"

	kjson "sigs.k8s.io/json"

	"taffrail.dev/webhook/api/v1alpha1"
)

// KindExport is the kind of the first document of an export: a file with the configuration of a
// cluster and the facts that decisions depend on. No API server serves it.
const KindExport = "Export"

// Export is the first document of an export.
type Export struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   ExportMetadata `json:"metadata"`
	Spec       ExportSpec     `json:"spec"`

	// Source is the file.
	Source string `json:"-"`
}

// ExportMetadata identifies an export.
type ExportMetadata struct {
	// Name is the name of the cluster in the kubeconfig.
	Name string `json:"name"`
	// CreationTimestamp is when the cluster was read.
	CreationTimestamp time.Time `json:"creationTimestamp"`
}

// ExportSpec describes what an export contains.
type ExportSpec struct {
	// Namespaces restricts the facts to these namespaces. Without any, all namespaces are included.
	Namespaces []string `json:"namespaces,omitempty"`
	// Unread lists what is missing because the user was not permitted to read it.
	Unread []Unread `json:"unread,omitempty"`
}

// Unread is a resource that could not be read.
type Unread struct {
	// Resource is the plural name, as in resourcequotas.
	Resource string `json:"resource"`
	// Namespace is empty for a cluster-scoped resource, and for all namespaces.
	Namespace string `json:"namespace,omitempty"`
	// Reason is the API server's message.
	Reason string `json:"reason"`
}

// IsExport reports whether an object is the first document of an export.
func IsExport(object map[string]any) bool {
	return object["apiVersion"] == v1alpha1.GroupVersion().String() && object["kind"] == KindExport
}

// DecodeExport decodes the first document of an export as strictly as the configuration. Every
// error is an *Error.
func DecodeExport(object map[string]any, source string) (*Export, []error) {
	return decodeExport(object, entry{source: source})
}

func decodeExport(object map[string]any, at entry) (*Export, []error) {
	var errs []error
	compare(object, reflect.TypeFor[Export](), "", func(path, reason string) { errs = append(errs, at.fail(path, reason)) })
	if len(errs) > 0 {
		return nil, errs
	}
	text, err := json.Marshal(object)
	made := &Export{Source: at.source}
	if err == nil {
		err = kjson.UnmarshalCaseSensitivePreserveInts(text, made)
	}
	if err == nil && made.Metadata.CreationTimestamp.IsZero() {
		return nil, []error{at.fail("metadata.creationTimestamp", "is missing: an export names the time at which the cluster was read")}
	}
	if err != nil {
		return nil, []error{at.fail("", err.Error())}
	}
	return made, nil
}

// isExportedFact reports whether an object of an export is a fact.
func isExportedFact(object map[string]any) bool {
	apiVersion, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	switch apiVersion + "/" + kind {
	case "v1/Namespace", "v1/LimitRange", "v1/ResourceQuota", "v1/PersistentVolumeClaim", "autoscaling/v2/HorizontalPodAutoscaler", "storage.k8s.io/v1/StorageClass":
		return true
	}
	return false
}
