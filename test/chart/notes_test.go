package chart

import (
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// The notes are all that a person sees of a new installation. Helm 3 prints them only if it reaches a cluster.
func TestNotesSayWhatIsGuardedNow(t *testing.T) {
	h := helm4(t)
	nobody := release()
	nobody.Values = "{excludeNamespaces: [], excludeReleaseNamespace: false}"
	for name, test := range map[string]struct {
		release Release
		want    []string
		not     []string
	}{
		"default": {release(), []string{
			"maxMode        audit: nothing is denied or filled in; findings are only recorded",
			"failurePolicy  Ignore: while no replica answers, requests pass unchecked",
			"all but kube-system, kube-node-lease, kube-public, taffrail-system",
			"chapter (enforce, 26 policies), restricted (enforce, 1 policy)",
			"helm test taffrail -n taffrail-system",
			"helm upgrade taffrail CHART -n taffrail-system --reset-then-reuse-values --set maxMode=warn",
			"kubectl delete validatingwebhookconfiguration,mutatingwebhookconfiguration taffrail",
		}, []string{"WARNING", "node autoscaler", "cannot be changed"}},
		"warn": {release().with("maxMode=warn"), []string{"users see warnings", "--set maxMode=enforce"}, nil},
		"warn, and Fail to come": {release().with("maxMode=warn", "failurePolicy=Fail"), []string{
			"failurePolicy  Ignore: while no replica answers, requests pass unchecked (Fail applies under maxMode enforce)",
		}, nil},
		"opt-in": {release("opt-in"), []string{
			"maxMode        enforce", `those that match {"matchLabels":{"taffrail.dev/guard":"enabled"}}, but kube-system`, "--set failurePolicy=Fail",
			"requests pass unchecked, except that namespace labels and Exemptions cannot be changed",
		}, nil},
		"eks": {release("eks"), []string{
			"failurePolicy  Fail: while no replica answers, workloads cannot be created or changed",
			"excludeNamespaces must name the namespaces of your node autoscaler", "must exclude taffrail-system in turn", "Next: nothing.",
		}, nil},
		"nobody left alone":             {nobody, []string{"namespaces     all\n"}, nil},
		"no Guardrail":                  {release().with("guardrails.chapter=null", "guardrails.restricted=null"), []string{"none: nothing is required until you apply one"}, nil},
		"in the default namespace":      {Release{Name: "taffrail", Namespace: "default"}, []string{"WARNING: the namespace of this release is default."}, nil},
		"among the cluster's own":       {Release{Name: "taffrail", Namespace: "kube-system"}, []string{"WARNING: the namespace of this release is kube-system."}, nil},
		"under another name of its own": {Release{Name: "guard", Namespace: "platform"}, []string{"mutatingwebhookconfiguration guard-taffrail", "patch deployment guard-taffrail"}, nil},
	} {
		notes, err := h.Notes(t.Context(), test.release)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, want := range test.want {
			if !strings.Contains(notes, want) {
				t.Errorf("%s: want %q in:\n%s", name, want, notes)
			}
		}
		for _, not := range test.not {
			if strings.Contains(notes, not) {
				t.Errorf("%s: do not want %q in:\n%s", name, not, notes)
			}
		}
	}
}

// The notes name every kind of a webhook entry that fails closed, because writes of these
// kinds wait for Taffrail.
func TestNotesNameAllThatIsHeldUp(t *testing.T) {
	h := helm4(t)
	all := release("eks").with("webhooks.services.failurePolicy=Fail", "webhooks.secrets.failurePolicy=Fail", "webhooks.configMaps.failurePolicy=Fail")
	notes, err := h.Notes(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{"services": "Services", "secrets": "Secrets", "configmaps": "ConfigMaps", "persistentvolumeclaims": "volume claims"}
	const workloads = "pods pods/ephemeralcontainers pods/resize replicationcontrollers deployments statefulsets daemonsets replicasets controllerrevisions jobs cronjobs"
	for resource := range strings.FieldsSeq(workloads) {
		words[resource] = "workloads"
	}
	rendered, _ := entries(t, render(t, h, all), "taffrail")
	closed := 0
	for _, w := range rendered {
		if w.FailurePolicy != admissionregistrationv1.Fail || w.Name == "relax.taffrail.dev" || w.Name == "exemptions.taffrail.dev" {
			continue
		}
		closed++
		for _, rule := range w.Rules {
			for _, resource := range rule.Resources {
				if words[resource] == "" || !strings.Contains(notes, words[resource]) {
					t.Errorf("the notes do not say that %s wait", resource)
				}
			}
		}
	}
	if closed != 4 {
		t.Errorf("%d closed entries", closed)
	}
}
