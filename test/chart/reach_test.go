package chart

import (
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apischema "k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/reach"
	"taffrail.dev/webhook/rego"
)

// serves returns the resources that every cluster serves for the kinds of the library.
func serves() reach.Resources {
	all := reach.Resources{}
	add := func(group, kind, name string, namespaced bool, subresources ...string) {
		all[apischema.GroupKind{Group: group, Kind: kind}] = reach.Resource{Group: group, Name: name, Versions: []string{"v1"}, Namespaced: namespaced, Subresources: subresources}
	}
	add("", "Pod", "pods", true, "status", "binding", "eviction", "ephemeralcontainers", "resize", "exec", "log")
	add("", "Binding", "bindings", true)
	add("", "ReplicationController", "replicationcontrollers", true, "status", "scale")
	add("", "Service", "services", true, "status", "proxy")
	add("", "PersistentVolumeClaim", "persistentvolumeclaims", true, "status")
	add("", "Secret", "secrets", true)
	add("", "ConfigMap", "configmaps", true)
	add("", "Namespace", "namespaces", false, "status", "finalize")
	for kind, name := range map[string]string{"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets", "ReplicaSet": "replicasets"} {
		add("apps", kind, name, true, "status", "scale")
	}
	add("apps", "ControllerRevision", "controllerrevisions", true)
	add("batch", "Job", "jobs", true, "status")
	add("batch", "CronJob", "cronjobs", true, "status")
	add("networking.k8s.io", "Ingress", "ingresses", true, "status")
	return all
}

// Each preset sends everything that the library's policies are about, in every namespace that its Guardrails
// cover. Kinds in extraKinds are sent too.
func TestEverythingThatIsBoundIsReached(t *testing.T) {
	h := helm4(t)
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	bound := reach.Scope{Injects: true, Relaxes: true}
	for _, policy := range catalog.Policies() {
		bound.Kinds = append(bound.Kinds, policy.Kinds...)
	}
	ingress := apischema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}
	extra := release("eks")
	extra.Values = `extraKinds: [{group: networking.k8s.io, versions: [v1], resources: [ingresses, ingresses/status]}]`
	for name, r := range map[string]Release{
		"default": release(), "audit": release("audit"), "eks": release("eks"), "opt-in": release("opt-in"), "extra": extra,
		"cert-manager": release("eks").with("certificates.mode=cert-manager"),
	} {
		objects := render(t, h, r)
		mutating := find[admissionregistrationv1.MutatingWebhookConfiguration](t, objects, "MutatingWebhookConfiguration", "taffrail")
		validating := find[admissionregistrationv1.ValidatingWebhookConfiguration](t, objects, "ValidatingWebhookConfiguration", "taffrail")
		for i := range mutating.Webhooks {
			mutating.Webhooks[i].ClientConfig.CABundle = []byte("ca")
		}
		for i := range validating.Webhooks {
			validating.Webhooks[i].ClientConfig.CABundle = []byte("ca")
		}
		all := []decision.Namespace{
			{Name: "shop", Labels: map[string]string{"taffrail.dev/guard": "enabled"}, Known: true}, {Name: "lab", Known: true},
			{Name: "kube-system", Known: true}, {Name: "taffrail-system", Known: true}, {Name: "cert-manager", Known: true},
		}
		excluded := map[string]bool{"cert-manager": true}
		if name == "opt-in" {
			excluded["lab"] = true
		}
		b := bound
		b.Covers = func(n decision.Namespace) bool { return !excluded[n.Name] }
		entries := reach.Entries(mutating, validating, reach.Installation{Namespace: "taffrail-system", Service: "taffrail"})
		c := reach.NewCluster(entries, serves(), all, "taffrail-system")
		report := c.Report(b)
		for i := range report.Gaps {
			t.Errorf("%s: %s", name, report.Gaps[i].String())
		}
		if len(report.Unserved) > 0 || c.SelectsByLabels() != (name == "opt-in") {
			t.Errorf("%s: %+v", name, report)
		}
		b.Kinds = []apischema.GroupKind{ingress}
		if got := len(c.Report(b).Gaps) == 0; got != (name == "extra") {
			t.Errorf("%s: Ingresses are reached: %t", name, got)
		}
	}
}
