package strict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes/scheme"

	"taffrail.dev/webhook/config"
)

// Known reports whether a kind is built into Kubernetes.
func Known(kind schema.GroupVersionKind) bool { return scheme.Scheme.Recognizes(kind) }

// KnownGroup reports whether a group is built into Kubernetes.
func KnownGroup(group string) bool { return scheme.Scheme.IsGroupRegistered(group) }

// Misspelled returns why no API server can serve a kind, and the field with the mistake. Both are
// empty if one may serve it. A kind in a group that is not built in may be that of a custom
// resource. Misspelled does not check whether the version of a built-in kind is still served.
func Misspelled(kind schema.GroupVersionKind) (field, reason string) {
	written := kind.GroupVersion().String() + "/" + kind.Kind
	if !KnownGroup(kind.Group) {
		// The group of a CustomResourceDefinition is a domain.
		if strings.Contains(kind.Group, ".") {
			return "", ""
		}
		if home := groupVersionOf(kind.Kind); home != "" {
			return "apiVersion", fmt.Sprintf("no version of Kubernetes has %s: write apiVersion: %s", written, home)
		}
		return "", ""
	}
	here := kindsOf(kind.Group)
	if here[kind.Kind] || legacyKind(kind.Kind) {
		return "", ""
	}
	if home := groupVersionOf(kind.Kind); home != "" {
		return "apiVersion", fmt.Sprintf("no version of Kubernetes has %s: write apiVersion: %s", written, home)
	}
	near := nearKind(kind.Kind, here)
	if near == "" && strings.Contains(kind.Group, ".") {
		// The kinds in groups with a domain change between versions of Kubernetes.
		return "", ""
	}
	if near == "" {
		return "kind", "no version of Kubernetes has " + written
	}
	return "kind", fmt.Sprintf("no version of Kubernetes has %s: did you mean %s?", written, near)
}

// legacyKind reports whether a kind existed in earlier versions of Kubernetes, or exists in
// OpenShift, in a group that is built in. Many repositories contain such objects, and there is
// nothing to correct about them.
func legacyKind(kind string) bool {
	return slices.Contains([]string{
		"PodSecurityPolicy", "PodSecurityPolicyList", "ThirdPartyResource", "Template", "DeploymentConfig", "BuildConfig", "ImageStream",
		"Route", "SecurityContextConstraints", "ProjectRequest",
		"ResourceClass", "ResourceClassParameters", "ResourceClaimParameters", "PodSchedulingContext", "ClusterCIDR",
	}, kind)
}

func kindsOf(group string) map[string]bool {
	kinds := map[string]bool{}
	for gvk := range scheme.Scheme.AllKnownTypes() {
		if gvk.Group == group && gvk.Version != "__internal" {
			kinds[gvk.Kind] = true
		}
	}
	return kinds
}

// nearKind returns the most similar kind. It prefers one whose resource name was written in place
// of the kind.
func nearKind(kind string, kinds map[string]bool) string {
	sorted := slices.Sorted(maps.Keys(kinds))
	for _, known := range sorted {
		lower, written := strings.ToLower(known), strings.ToLower(kind)
		if written == lower || written == lower+"s" || written == lower+"es" || written == strings.TrimSuffix(lower, "y")+"ies" {
			return known
		}
	}
	return config.Nearest(kind, sorted)
}

// groupVersionOf returns the group and the most stable version of a built-in kind, or "" if no
// group contains it.
func groupVersionOf(kind string) string {
	best := schema.GroupVersionKind{}
	for gvk := range scheme.Scheme.AllKnownTypes() {
		if gvk.Kind != kind || gvk.Version == "__internal" || strings.HasSuffix(kind, "Options") || gvk.Group == "extensions" || kind == "WatchEvent" {
			continue
		}
		order := version.CompareKubeAwareVersionStrings(gvk.Version, best.Version)
		if best.Kind == "" || order > 0 || order == 0 && gvk.Group < best.Group {
			best = gvk
		}
	}
	if best.Kind == "" {
		return ""
	}
	return best.GroupVersion().String()
}
