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

// Misspelt returns why no API server can have a kind, and which field says so; both are
// empty if one may have it. A kind of a group that is not built in may be a custom
// resource's. Whether the version of a built-in kind is still served is not decided here.
func Misspelt(kind schema.GroupVersionKind) (field, reason string) {
	written := kind.GroupVersion().String() + "/" + kind.Kind
	if !KnownGroup(kind.Group) {
		// CustomResourceDefinitions have a domain for a group.
		if strings.Contains(kind.Group, ".") {
			return "", ""
		}
		if home := homeOf(kind.Kind); home != "" {
			return "apiVersion", fmt.Sprintf("no Kubernetes has %s: write apiVersion: %s", written, home)
		}
		return "", ""
	}
	here := kindsOf(kind.Group)
	if here[kind.Kind] || foreign(kind.Kind) {
		return "", ""
	}
	if home := homeOf(kind.Kind); home != "" {
		return "apiVersion", fmt.Sprintf("no Kubernetes has %s: write apiVersion: %s", written, home)
	}
	near := nearKind(kind.Kind, here)
	if near == "" && strings.Contains(kind.Group, ".") {
		// The groups with a domain are where kinds come and go with Kubernetes' versions.
		return "", ""
	}
	if near == "" {
		return "kind", "no Kubernetes has " + written
	}
	return "kind", fmt.Sprintf("no Kubernetes has %s: did you mean %s?", written, near)
}

// foreign kinds are those that Kubernetes once had or that OpenShift has, in groups that
// are built in. Their objects are in many repositories, and there is nothing to correct.
func foreign(kind string) bool {
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

// nearKind prefers the kind that a resource's name, as kubectl takes it, stands for.
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

// homeOf is where a built-in kind is, in its most stable version; "" for a kind that no
// group has.
func homeOf(kind string) string {
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
