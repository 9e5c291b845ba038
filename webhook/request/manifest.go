package request

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// Manifest returns the request that applying a manifest would send: a CREATE by an unknown
// user, with API defaults. An object without a namespace is in defaultNamespace, unless its
// kind is known to be cluster-scoped. It does not modify the object, whose numbers must be
// int64 or float64. Errors are a *FieldError or a *LimitError.
func Manifest(object map[string]any, defaultNamespace string) (*decision.Request, error) {
	if tooDeep(object, 0) {
		return nil, &LimitError{What: "depth", Limit: MaxDepth}
	}
	apiVersion, kind := stringAt(object, "apiVersion"), stringAt(object, "kind")
	if apiVersion == "" {
		return nil, &FieldError{Path: "apiVersion", Reason: "is missing or not a string"}
	}
	if kind == "" {
		return nil, &FieldError{Path: "kind", Reason: "is missing or not a string"}
	}
	version, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, &FieldError{Path: "apiVersion", Reason: err.Error()}
	}
	if err := checkServed(version.WithKind(kind)); err != nil {
		return nil, err
	}
	if _, err := requireMap(object, "", []string{"metadata"}); err != nil {
		return nil, err
	}
	r := &decision.Request{
		Origin:       decision.OriginManifest,
		Operation:    decision.Create,
		Kind:         version.WithKind(kind),
		Name:         stringAt(object, "metadata", "name"),
		GenerateName: stringAt(object, "metadata", "generateName"),
		Original:     object,
	}
	if !clusterScoped(r.Kind.GroupKind()) {
		r.Namespace.Name = stringAt(object, "metadata", "namespace")
		if r.Namespace.Name == "" {
			r.Namespace.Name = defaultNamespace
		}
	}
	if r.Kind.GroupKind() == (schema.GroupKind{Kind: "Secret"}) {
		if err := checkSecret(object); err != nil {
			return nil, err
		}
	}
	r.Object = runtime.DeepCopyJSON(object)
	applyDefaults(r.Kind.GroupKind(), r.Object)
	addLastApplied(r)
	return r, complete(r)
}

// complete sets the fields of r that are derived from r.Object. A *LimitError that it returns
// contains r.
func complete(r *decision.Request) error {
	addSchedule(r)
	r.HelmRelease = isHelmRelease(r.Kind, r.Object)
	err := addWorkload(r)
	if err == nil {
		err = addClaims(r)
	}
	if err == nil {
		err = addRevision(r)
	}
	if limit, ok := errors.AsType[*LimitError](err); ok {
		limit.Request = r
	}
	return err
}

// checkServed returns an error for a kind that policies cover, but with a version or spelling
// that no API server has: as a custom resource it would not be decided.
func checkServed(kind schema.GroupVersionKind) error {
	served := map[string]string{
		"pod": "v1/Pod", "service": "v1/Service", "secret": "v1/Secret", "configmap": "v1/ConfigMap", "namespace": "v1/Namespace", "persistentvolumeclaim": "v1/PersistentVolumeClaim",
		"replicationcontroller": "v1/ReplicationController", "deployment": "apps/v1/Deployment", "statefulset": "apps/v1/StatefulSet",
		"daemonset": "apps/v1/DaemonSet", "replicaset": "apps/v1/ReplicaSet", "controllerrevision": "apps/v1/ControllerRevision", "job": "batch/v1/Job", "cronjob": "batch/v1/CronJob",
	}
	want, known := served[strings.ToLower(kind.Kind)]
	switch kind.Group {
	case "", "apps", "batch", "extensions":
	default:
		return nil
	}
	if got := kind.GroupVersion().String() + "/" + kind.Kind; known && got != want {
		until := ""
		if onceServed(kind) {
			until = " from 1.25 on"
		}
		return &FieldError{Path: "apiVersion", Reason: fmt.Sprintf("no version of Kubernetes%s has %s: write %s", until, got, want)}
	}
	return nil
}

// onceServed reports whether older versions of Kubernetes served a kind in a removed API
// version.
func onceServed(kind schema.GroupVersionKind) bool {
	switch kind.GroupVersion().String() {
	case "extensions/v1beta1":
		return slices.Contains([]string{"Deployment", "DaemonSet", "ReplicaSet"}, kind.Kind)
	case "apps/v1beta1":
		return slices.Contains([]string{"Deployment", "StatefulSet", "ControllerRevision"}, kind.Kind)
	case "apps/v1beta2":
		return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision"}, kind.Kind)
	case "batch/v1beta1", "batch/v2alpha1":
		return kind.Kind == "CronJob"
	}
	return false
}

// clusterScoped reports whether a built-in kind is cluster-scoped. The scope of a custom
// resource is not in its manifest, so it is assumed to be namespaced.
func clusterScoped(kind schema.GroupKind) bool {
	switch kind.Group {
	case "":
		return kind.Kind == "Namespace" || kind.Kind == "Node" || kind.Kind == "PersistentVolume"
	case "rbac.authorization.k8s.io":
		return kind.Kind == "ClusterRole" || kind.Kind == "ClusterRoleBinding"
	case "storage.k8s.io":
		return kind.Kind != "CSIStorageCapacity"
	case "networking.k8s.io":
		return kind.Kind == "IngressClass" || kind.Kind == "IPAddress" || kind.Kind == "ServiceCIDR"
	case "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io",
		"flowcontrol.apiserver.k8s.io", "node.k8s.io", "scheduling.k8s.io", "taffrail.dev":
		return true
	}
	return false
}

func tooDeep(value any, depth int) bool {
	switch value := value.(type) {
	case map[string]any:
		if depth >= MaxDepth {
			return true
		}
		for _, member := range value {
			if tooDeep(member, depth+1) {
				return true
			}
		}
	case []any:
		if depth >= MaxDepth {
			return true
		}
		for _, element := range value {
			if tooDeep(element, depth+1) {
				return true
			}
		}
	}
	return false
}

// checkSecret rejects values that are not strings, as the API server does. They would be lost
// before a policy could check them.
func checkSecret(secret map[string]any) error {
	for _, field := range []string{"data", "stringData"} {
		content, err := requireMap(secret, "", []string{field})
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(content)) {
			value := content[name]
			if _, ok := value.(string); !ok && value != nil {
				return &FieldError{Path: string(decision.FieldPath(field).Key(name)), Reason: "must be a string"}
			}
		}
	}
	return nil
}

// mergeStringData merges stringData into data, as the API server does before admission.
func mergeStringData(secret map[string]any) {
	stringData := mapAt(secret, "stringData")
	delete(secret, "stringData")
	if len(stringData) == 0 {
		return
	}
	data := ensureMap(secret, "data")
	if data == nil {
		return
	}
	for name, value := range stringData {
		text, _ := value.(string)
		data[name] = base64.StdEncoding.EncodeToString([]byte(text))
	}
}
