package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// webhook has the fields that both kinds of entries share. reinvocationPolicy is nil for validating entries.
type webhook struct {
	Name               string
	Path               string
	Rules              []admissionregistrationv1.RuleWithOperations
	FailurePolicy      admissionregistrationv1.FailurePolicyType
	MatchPolicy        admissionregistrationv1.MatchPolicyType
	SideEffects        admissionregistrationv1.SideEffectClass
	ReinvocationPolicy *admissionregistrationv1.ReinvocationPolicyType
	Versions           []string
	NamespaceSelector  *metav1.LabelSelector
	ObjectSelector     *metav1.LabelSelector
	MatchConditions    []admissionregistrationv1.MatchCondition
}

// entries returns the webhooks of both configurations, and the parts that only the chart sets.
func entries(t *testing.T, objects []*unstructured.Unstructured, name string) (all []webhook, clients []admissionregistrationv1.WebhookClientConfig) {
	t.Helper()
	add := func(w webhook, c admissionregistrationv1.WebhookClientConfig, timeout *int32) {
		switch {
		case c.URL != nil:
			w.Path = (*c.URL)[strings.LastIndex(*c.URL, "/"):]
		case c.Service != nil:
			w.Path = *c.Service.Path
		}
		if timeout == nil || *timeout > 10 {
			t.Errorf("%s: no timeout, or one above 10 s", w.Name)
		}
		all, clients = append(all, w), append(clients, c)
	}
	for _, w := range find[admissionregistrationv1.MutatingWebhookConfiguration](t, objects, "MutatingWebhookConfiguration", name).Webhooks {
		add(webhook{
			w.Name, "", w.Rules, *w.FailurePolicy, *w.MatchPolicy, *w.SideEffects, w.ReinvocationPolicy, w.AdmissionReviewVersions,
			w.NamespaceSelector, w.ObjectSelector, w.MatchConditions,
		}, w.ClientConfig, w.TimeoutSeconds)
	}
	for _, w := range find[admissionregistrationv1.ValidatingWebhookConfiguration](t, objects, "ValidatingWebhookConfiguration", name).Webhooks {
		add(webhook{
			w.Name, "", w.Rules, *w.FailurePolicy, *w.MatchPolicy, *w.SideEffects, nil, w.AdmissionReviewVersions,
			w.NamespaceSelector, w.ObjectSelector, w.MatchConditions,
		}, w.ClientConfig, w.TimeoutSeconds)
	}
	return all, clients
}

// excluding selects every namespace except these.
func excluding(names ...string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
		Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn, Values: names,
	}}}
}

// registered returns the webhooks that the integration tests register, completed as the chart does under
// maxMode enforce and failurePolicy Fail.
func registered(t *testing.T) []webhook {
	t.Helper()
	text, err := os.ReadFile(root + "/test/harness/manifests/webhooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	selector, err := json.Marshal(excluding("kube-system", "kube-node-lease", "kube-public", "taffrail-system"))
	if err != nil {
		t.Fatal(err)
	}
	var filled bytes.Buffer
	err = template.Must(template.New("webhooks.yaml").Option("missingkey=error").Parse(string(text))).Execute(&filled, map[string]any{
		"Name": "taffrail", "Main": true, "Address": "127.0.0.1:9443", "CABundle": "", "FailurePolicy": "Fail", "NamespaceSelector": string(selector),
	})
	if err != nil {
		t.Fatal(err)
	}
	all, _ := entries(t, decode(t, filled.Bytes()), "taffrail")
	return all
}

// The results of the integration tests apply to the chart only as far as both register the same webhooks.
func TestWebhooksAreThoseOfTheIntegrationTests(t *testing.T) {
	h := helm4(t)
	want := registered(t)
	for i := range want {
		w := &want[i]
		switch w.Name {
		case "mutate.taffrail.dev":
			// The tests use Fail to observe it. The chart uses Ignore, because validate finds a missed
			// injection.
			w.FailurePolicy = admissionregistrationv1.Ignore
		case "config.taffrail.dev":
			// Only the tests have this condition.
			if len(w.MatchConditions) != 1 || w.MatchConditions[0].Name != "guarded" {
				t.Errorf("config: %+v", w.MatchConditions)
			}
			w.MatchConditions = nil
		case "exemptions.taffrail.dev":
			w.MatchConditions = slices.DeleteFunc(w.MatchConditions, func(c admissionregistrationv1.MatchCondition) bool { return c.Name == "guarded" })
		}
	}
	got, clients := entries(t, render(t, h, release().with("maxMode=enforce", "failurePolicy=Fail")), "taffrail")
	for i := range got {
		w := &got[i]
		// The chart's own two conditions are tested on a real API server elsewhere.
		if len(w.MatchConditions) > 0 && !slices.Contains([]string{"namespaces.validate.taffrail.dev", "relax.taffrail.dev", "exemptions.taffrail.dev"}, w.Name) {
			own, all := []string{"not-a-mirror-pod", "not-taffrail-itself"}, len(w.MatchConditions)
			w.MatchConditions = slices.DeleteFunc(w.MatchConditions, func(c admissionregistrationv1.MatchCondition) bool {
				return slices.Contains(own, c.Name)
			})
			if all-len(w.MatchConditions) != len(own) {
				t.Errorf("%s: conditions %+v in addition to %v", w.Name, w.MatchConditions, own)
			}
			if len(w.MatchConditions) == 0 {
				w.MatchConditions = nil
			}
		}
		service := clients[i].Service
		if service == nil || service.Name != "taffrail" || service.Namespace != "taffrail-system" || *service.Port != 443 {
			t.Errorf("%s calls %+v", w.Name, service)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-integration tests +chart:\n%s", diff)
	}
}

// Under audit and warn nothing is denied, so nothing may be blocked either, whatever failurePolicy says:
// maxMode is one setting, and means the same during an outage.
func TestNothingIsHeldUpBeforeItIsEnforced(t *testing.T) {
	h := helm4(t)
	for mode, want := range map[string]map[string]admissionregistrationv1.FailurePolicyType{
		"audit": {},
		"warn":  {},
		"enforce": {
			"validate.taffrail.dev": admissionregistrationv1.Fail, "services.validate.taffrail.dev": admissionregistrationv1.Fail,
			"secrets.validate.taffrail.dev": admissionregistrationv1.Fail, "configmaps.validate.taffrail.dev": admissionregistrationv1.Fail,
			"relax.taffrail.dev": admissionregistrationv1.Fail, "exemptions.taffrail.dev": admissionregistrationv1.Fail,
		},
	} {
		all, _ := entries(t, render(t, h, release().with("failurePolicy=Fail", "maxMode="+mode)), "taffrail")
		for _, w := range all {
			policy := admissionregistrationv1.Ignore
			if closed, ok := want[w.Name]; ok {
				policy = closed
			}
			if w.FailurePolicy != policy {
				t.Errorf("maxMode %s: %s has failurePolicy %s, want %s", mode, w.Name, w.FailurePolicy, policy)
			}
		}
	}
}

func TestNamespacesThatAreNotAskedAbout(t *testing.T) {
	h := helm4(t)
	// The API server rejects an expression without values.
	nobody, nobodyElse := release(), release("opt-in")
	nobody.Values = "{excludeNamespaces: [], excludeReleaseNamespace: false}"
	nobodyElse.Values = nobody.Values
	for name, test := range map[string]struct {
		release Release
		want    *metav1.LabelSelector
	}{
		"default":      {release(), excluding("kube-system", "kube-node-lease", "kube-public", "taffrail-system")},
		"cert-manager": {release().with("certificates.mode=cert-manager"), excluding("kube-system", "kube-node-lease", "kube-public", "taffrail-system", "cert-manager")},
		"its own, named twice": {
			release().with("excludeNamespaces={kube-system,taffrail-system}"), excluding("kube-system", "taffrail-system"),
		},
		"its own not":  {release().with("excludeReleaseNamespace=false"), excluding("kube-system", "kube-node-lease", "kube-public")},
		"none":         {nobody, &metav1.LabelSelector{}},
		"none, opt-in": {nobodyElse, &metav1.LabelSelector{MatchLabels: map[string]string{"taffrail.dev/guard": "enabled"}}},
		// Excluding names that are not in use would leave a gap, so Calico's are excluded only if Calico is
		// set.
		"another CNI": {release("eks", "eks-custom-cni"), excluding("kube-system", "kube-node-lease", "kube-public", "taffrail-system")},
		"Calico":      {release("eks", "eks-custom-cni", "eks-calico"), excluding("kube-system", "kube-node-lease", "kube-public", "calico-system", "calico-apiserver", "tigera-operator", "taffrail-system")},
		"opt-in": {release("opt-in"), &metav1.LabelSelector{
			MatchLabels:      map[string]string{"taffrail.dev/guard": "enabled"},
			MatchExpressions: excluding("kube-system", "kube-node-lease", "kube-public", "taffrail-system").MatchExpressions,
		}},
	} {
		all, _ := entries(t, render(t, h, test.release), "taffrail")
		for _, w := range all {
			want := test.want
			if slices.Contains([]string{"relax.taffrail.dev", "config.taffrail.dev", "exemptions.taffrail.dev"}, w.Name) {
				want = nil
			}
			if diff := cmp.Diff(want, w.NamespaceSelector); diff != "" {
				t.Errorf("%s: %s -want +got:\n%s", name, w.Name, diff)
			}
			if w.Name == "relax.taffrail.dev" && !strings.Contains(w.MatchConditions[1].Expression, `"taffrail-system"`) {
				t.Errorf("%s: labels of the release's own namespace wait for it: %s", name, w.MatchConditions[1].Expression)
			}
		}
	}
}

// An upgrade resets any caBundle that the chart writes.
func TestWhoWritesTheCABundle(t *testing.T) {
	h := helm4(t)
	for name, want := range map[string]string{
		"default": "", "cert-manager": "", "existing Secret": "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
	} {
		_, clients := entries(t, render(t, h, releases()[name]), "taffrail")
		for _, c := range clients {
			if string(c.CABundle) != want {
				t.Errorf("%s: caBundle %q, want %q", name, c.CABundle, want)
			}
		}
	}
}
