package chart

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// The audit has Pods of its own, without the priority of the webhook, and with its ceiling.
func TestTheAuditRunsApart(t *testing.T) {
	h := helm4(t)
	for name, r := range releases() {
		objects := render(t, h, r)
		prefix := "taffrail"
		if r.Name != "taffrail" {
			prefix = r.Name + "-taffrail"
		}
		audit := deployment(t, objects, prefix+"-audit").Spec.Template
		web := deployment(t, objects, prefix).Spec.Template.Spec
		if audit.Spec.PriorityClassName != "" || audit.Spec.ServiceAccountName == web.ServiceAccountName || audit.Spec.HostNetwork {
			t.Errorf("%s: %+v", name, audit.Spec)
		}
		ceiling := slices.IndexFunc(web.Containers[0].Args, func(arg string) bool { return strings.HasPrefix(arg, "--max-mode=") })
		if args := audit.Spec.Containers[0].Args; !slices.Contains(args, web.Containers[0].Args[ceiling]) || !slices.Equal(args[:2], []string{"serve", "audit"}) {
			t.Errorf("%s: args %q", name, args)
		}
	}
}

func TestTheAuditIsFoundByItsOwnSelectors(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release().with(everything...))
	audit, web := deployment(t, objects, "taffrail-audit"), deployment(t, objects, "taffrail")
	for name, s := range map[string]*metav1.LabelSelector{
		"Deployment":    audit.Spec.Selector,
		"Service":       {MatchLabels: find[corev1.Service](t, objects, "Service", "taffrail-audit").Spec.Selector},
		"NetworkPolicy": &find[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy", "taffrail-audit").Spec.PodSelector,
	} {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		if !selector.Matches(labels.Set(audit.Spec.Template.Labels)) || selector.Matches(labels.Set(web.Spec.Template.Labels)) {
			t.Errorf("%s selects %+v", name, s)
		}
	}
}

// Without the audit nothing of it is left, and no alert misses it.
func TestTheAuditCanBeLeftOut(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release().with(everything...).with("audit.enabled=false"))
	for _, object := range objects {
		if strings.HasSuffix(object.GetName(), "-audit") {
			t.Errorf("%s %s is there", object.GetKind(), object.GetName())
		}
	}
	if _, there := alerts(t, objects)["TaffrailAuditStale"]; there {
		t.Error("an alert misses the audit")
	}
}

// Secrets are read only where that was chosen.
func TestTheAuditReadsSecretsOnlyIfAsked(t *testing.T) {
	h := helm4(t)
	for set, want := range map[string]bool{"audit.secrets=false": false, "audit.secrets=true": true} {
		rules := find[rbacv1.ClusterRole](t, render(t, h, release().with(set)), "ClusterRole", "taffrail-audit").Rules
		reads := slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
			return slices.Contains(r.Resources, "secrets") && slices.Equal(r.Verbs, []string{"list", "watch"})
		})
		if reads != want {
			t.Errorf("%s: reads Secrets: %t", set, reads)
		}
	}
}

// Several tools bring the CRDs of the reports: they are installed only where that was chosen, and stay. What removes the
// CRDs of Taffrail by their label does not find them.
func TestTheCRDsOfReportsStay(t *testing.T) {
	h := helm4(t)
	crds := func(set string) (names []string) {
		objects := render(t, h, release().with(set))
		for _, object := range objects {
			if object.GetKind() != "CustomResourceDefinition" || object.GroupVersionKind().Group != apiextensionsv1.GroupName {
				continue
			}
			if object.GetAnnotations()["helm.sh/resource-policy"] != "keep" || len(object.GetLabels()) > 0 {
				t.Errorf("%s: %+v", object.GetName(), object.GetAnnotations())
			}
			names = append(names, object.GetName())
		}
		slices.Sort(names)
		return names
	}
	if got := crds("audit.openreports.crds=false"); len(got) > 0 {
		t.Errorf("%q are there", got)
	}
	if got := crds("audit.openreports.crds=true"); !slices.Equal(got, []string{"clusterreports.openreports.io", "reports.openreports.io"}) {
		t.Errorf("got %q", got)
	}
}

// An account that exists already is not created.
func TestTheAuditTakesAnAccount(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release().with("audit.serviceAccountName=auditor"))
	if got := deployment(t, objects, "taffrail-audit").Spec.Template.Spec.ServiceAccountName; got != "auditor" {
		t.Errorf("the account is %q", got)
	}
	if slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetKind() == "ServiceAccount" && o.GetName() == "taffrail-audit"
	}) {
		t.Error("another account is there")
	}
}

// The owner label and the paces are flags.
func TestTheAuditTakesItsValues(t *testing.T) {
	h := helm4(t)
	objects := render(t, h, release().with("audit.ownerLabel=example.com/team", "audit.objectsPerSecond=2000000", "audit.reportsPerSecond=3", "audit.resync=24h"))
	args := deployment(t, objects, "taffrail-audit").Spec.Template.Spec.Containers[0].Args
	for _, want := range []string{"--owner-labels=example.com/team", "--objects-per-second=2000000", "--reports-per-second=3", "--resync=24h"} {
		if !slices.Contains(args, want) {
			t.Errorf("no %s in %q", want, args)
		}
	}
}
