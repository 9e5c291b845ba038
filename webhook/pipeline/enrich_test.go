package pipeline_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

func quota(hard string) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse(hard)},
	}}
}

// A LimitRange that requires a Pod limit refuses a template without one, unless an enforced injection sets it.
func TestInjectionCountsForWhatLimitRangesRefuse(t *testing.T) {
	f := known(nil)
	f.facts.LimitRanges = []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "pods"}, Spec: corev1.LimitRangeSpec{
		Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}}},
	}}}
	fits := guardrail("fits", v1alpha1.ModeEnforce, binding("limitrange-fit", ""))
	for name, test := range map[string]struct {
		with    v1alpha1.Guardrail
		verdict decision.Verdict
	}{
		"nothing":        {guardrail("other", v1alpha1.ModeEnforce, binding("image-tag", "")), decision.VerdictDeny},
		"an injection":   {guardrail("fill", v1alpha1.ModeEnforce, binding("inject-resources", `{"limits":{"cpu":"1"}}`)), decision.VerdictAllow},
		"a mere warning": {guardrail("fill", v1alpha1.ModeWarn, binding("inject-resources", `{"limits":{"cpu":"1"}}`)), decision.VerdictDeny},
	} {
		d := decide(t, build(t, fits, test.with), manifest(t, deployment(container(nil))), f)
		if d.Verdict != test.verdict {
			t.Errorf("with %s: %+v", name, d)
		}
	}
}

// The quota must have room for two replicas and the extra Pod that a rollout starts first.
func TestInjectionCountsForWhatQuotasHaveLeft(t *testing.T) {
	s := build(t, guardrail("fits", v1alpha1.ModeEnforce, binding("quota-fit", ""), binding("inject-resources", `{"requests":{"cpu":"250m"}}`)))
	for hard, verdict := range map[string]decision.Verdict{"500m": decision.VerdictDeny, "750m": decision.VerdictAllow} {
		f := known(nil)
		f.facts.ResourceQuotas = []*corev1.ResourceQuota{quota(hard)}
		if d := decide(t, s, manifest(t, deployment(container(nil))), f); d.Verdict != verdict {
			t.Errorf("of %s: %+v", hard, d)
		}
	}
}

// Without an injection the quota refuses every Pod, because it sets no request.
func TestAQuotaDemandsAValue(t *testing.T) {
	s := build(t, guardrail("fits", v1alpha1.ModeEnforce, binding("quota-fit", "")))
	f := known(nil)
	f.facts.ResourceQuotas = []*corev1.ResourceQuota{quota("10")}
	d := decide(t, s, manifest(t, deployment(container(nil))), f)
	if len(d.Findings) != 1 || d.Findings[0].Path != "spec.template.spec.containers[0].resources.requests.cpu" ||
		!strings.Contains(d.Findings[0].Message, "ResourceQuota/team requires requests.cpu") {
		t.Errorf("got %+v", d)
	}
}

// A workload that already exceeded its quota can still be annotated: the usage of its own Pods does not count.
func TestAShortageOfBeforeIsTolerated(t *testing.T) {
	s := build(t, guardrail("fits", v1alpha1.ModeEnforce, binding("quota-fit", "")))
	f := known(nil)
	f.facts.ResourceQuotas = []*corev1.ResourceQuota{quota("1")}
	requests := container(map[string]any{"resources": map[string]any{"requests": map[string]any{"cpu": "2"}}})
	r, old := manifest(t, deployment(requests)), manifest(t, deployment(requests))
	r.Origin, r.Operation, r.OldObject = decision.OriginValidating, decision.Update, old.Object
	r.Object["metadata"].(map[string]any)["annotations"] = map[string]any{"note": "new"}
	if d := decide(t, s, r, f); d.Verdict != decision.VerdictWarn || len(d.Findings) != 1 || d.Findings[0].Tolerated == "" {
		t.Errorf("got %+v", d)
	}
}

// The existing Pods got the same injections as the new ones. Otherwise eight running Pods would appear to be
// two too many, and totals before and after the update could not be compared.
func TestWhatIsInjectedIsInThePodsOfBefore(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce, binding("quota-fit", ""), binding("limitrange-fit", ""),
		binding("inject-resources", `{"requests":{"cpu":"100m"},"limits":{"cpu":"100m"}}`)))
	update := func(containers, annotations string) *decision.Request {
		object := func(annotations string) string {
			return `{"metadata":{"name":"web","annotations":{` + annotations + `}},"spec":{"replicas":8,"template":{"spec":{"containers":[` + containers + `]}}},"status":{"replicas":8}}`
		}
		return admission(t, "UPDATE", "apps", "Deployment", "", "alice", object(annotations), object(""))
	}
	full := known(nil)
	full.facts.ResourceQuotas = []*corev1.ResourceQuota{quota("1")}
	full.facts.ResourceQuotas[0].Status = corev1.ResourceQuotaStatus{
		Hard: corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("1")},
		Used: corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("800m")},
	}
	if d := decide(t, s, update(`{"name":"a","image":"a:1"}`, `"note":"new"`), full); d.Verdict != decision.VerdictAllow || len(d.Findings) > 0 {
		t.Errorf("under a quota: got %+v", d)
	}
	small := known(nil)
	small.facts.LimitRanges = []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "pods"}, Spec: corev1.LimitRangeSpec{
		Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m")}}},
	}}}
	two := `{"name":"a","image":"a:1","resources":{"limits":{"cpu":"300m"}}},{"name":"b","image":"b:1"}`
	if d := decide(t, s, update(two, `"note":"new"`), small); d.Verdict != decision.VerdictWarn || len(d.Findings) != 1 || d.Findings[0].Tolerated == "" {
		t.Errorf("under a LimitRange: got %+v", d)
	}
}
