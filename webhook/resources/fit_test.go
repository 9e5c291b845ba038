package resources

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
)

type fitCase struct {
	name     string
	pod      Pod
	wishes   []string
	ranges   []*corev1.LimitRange
	quotas   []*corev1.ResourceQuota
	fills    []string
	unfilled []string
}

func (c fitCase) run(t *testing.T) {
	t.Helper()
	w := wishes(t, c.wishes...)
	fills, unfilled := Fit(c.pod, w, c.ranges, c.quotas)
	if diff := cmp.Diff(c.fills, showFills(fills)); diff != "" {
		t.Errorf("fills: %s", diff)
	}
	if diff := cmp.Diff(c.unfilled, showUnfilled(unfilled)); diff != "" {
		t.Errorf("unfilled: %s", diff)
	}
	inEveryOrder(c.pod, c.ranges, func(q Pod) {
		again, still := Fit(patched(q, fills), w, c.ranges, c.quotas)
		if len(c.ranges) < 2 && len(again) != 0 || len(still) > len(c.unfilled) {
			t.Errorf("a second time: %v, %v", showFills(again), showUnfilled(still))
		}
	})
}

func TestFit(t *testing.T) {
	several := func(ranges ...*corev1.LimitRange) []*corev1.LimitRange { return ranges }
	for _, c := range []fitCase{
		{name: "gaps are filled", pod: pod(app("a", ""), of(app("i", ""), decision.ContainerInit)),
			wishes: []string{"a.requests.cpu=100m", "a.limits.memory=1Gi", "a.requests.memory=512Mi", "i.requests.cpu=10m"},
			fills:  []string{"a.requests.cpu=100m", "a.limits.memory=1Gi", "a.requests.memory=512Mi", "i.requests.cpu=10m"}},
		{name: "values stay", pod: pod(app("a", "cpu=1|memory=1Gi")),
			wishes: []string{"a.requests.cpu=100m", "a.limits.memory=2Gi", "a.requests.memory=512Mi"}}, // the last by API defaulting
		{name: "LimitRange defaults stay, a max and a min are some", pod: pod(app("a", "")), ranges: several(perContainer("r", limits{max: "cpu=1", min: "memory=1Mi"})),
			wishes: []string{"a.requests.cpu=100m", "a.limits.cpu=2", "a.requests.memory=512Mi"}},
		{name: "the Pod level counts as set, for the resource it names", pod: withPodLevel(pod(app("a", "")), "cpu=1"),
			wishes: []string{"a.requests.cpu=100m", "a.limits.cpu=1", "a.requests.memory=512Mi"},
			fills:  []string{"a.requests.memory=512Mi"}},
		{name: "a limit is raised to the request", pod: pod(app("a", "memory=2Gi")), wishes: []string{"a.limits.memory=1Gi"}, fills: []string{"a.limits.memory=2Gi"}},
		{name: "a request is lowered to the limit", pod: pod(app("a", "")), wishes: []string{"a.requests.cpu=2", "a.limits.cpu=1"}, fills: []string{"a.requests.cpu=1", "a.limits.cpu=1"}},
		{name: "a limit is lowered into the ratio", pod: pod(app("a", "memory=100Mi")), ranges: several(perContainer("r", limits{ratio: "memory=1500m"})),
			wishes: []string{"a.limits.memory=1Gi"}, fills: []string{"a.limits.memory=150Mi"}},
		{name: "the smallest ratio counts", pod: pod(app("a", "")), ranges: several(perContainer("r", limits{ratio: "cpu=3"}), perContainer("s", limits{ratio: "cpu=2"})),
			wishes: []string{"a.requests.cpu=100m", "a.limits.cpu=1"}, fills: []string{"a.requests.cpu=100m", "a.limits.cpu=200m"}},
		{name: "the plugin finds 403m more than 2.015 times 200m", pod: pod(app("a", "cpu=200m")), ranges: several(perContainer("r", limits{ratio: "cpu=2015m"})),
			wishes: []string{"a.limits.cpu=1"}, fills: []string{"a.limits.cpu=402m"}},
		{name: "bytes stay whole", pod: pod(app("a", "memory=1001")), ranges: several(perContainer("r", limits{ratio: "memory=1500m"})),
			wishes: []string{"a.limits.memory=1G"}, fills: []string{"a.limits.memory=1501"}},
		{name: "a limit under an order's request is raised to the largest", pod: pod(app("a", "")),
			ranges: several(perContainer("r", limits{request: "cpu=1"}), perContainer("s", limits{request: "cpu=2"})),
			wishes: []string{"a.limits.cpu=500m"}, fills: []string{"a.limits.cpu=2"}},
		{name: "no limit suits the ratio in both orders", pod: pod(app("a", "")),
			ranges:   several(perContainer("r", limits{request: "cpu=1"}), perContainer("s", limits{request: "cpu=4"}), perPod("t", limits{ratio: "cpu=2"}), perContainer("u", limits{ratio: "cpu=2"})),
			wishes:   []string{"a.limits.cpu=2"},
			unfilled: []string{`a.limits.cpu: not set: the Pod's cpu limit 4 is more than 2 times the request 1 (LimitRange/t)`}},
		{name: "a Pod's max is kept: the request alone", pod: pod(app("a", "cpu=100m|cpu=500m"), app("b", "")), ranges: several(perPod("r", limits{max: "cpu=1"})),
			wishes: []string{"b.requests.cpu=100m", "b.limits.cpu=600m"}, fills: []string{"b.requests.cpu=100m"},
			unfilled: []string{"b.limits.cpu: not set: the Pod's cpu limit 1100m is over the maximum of 1 (LimitRange/r)"}},
		{name: "a limit alone is a request too, and checked as such", pod: pod(app("a", "cpu=500m|cpu=500m"), app("b", "")), ranges: several(perPod("r", limits{max: "cpu=1"})),
			wishes:   []string{"b.limits.cpu=600m"},
			unfilled: []string{"b.limits.cpu: not set: the Pod's cpu limit 1100m is over the maximum of 1 (LimitRange/r)"}},
		{name: "as many as fit", pod: pod(app("a", "|memory=1Gi"), app("b", ""), app("c", "")), ranges: several(perPod("r", limits{max: "memory=2Gi"})),
			wishes: []string{"b.limits.memory=1Gi", "c.limits.memory=1Gi", "c.requests.cpu=1"}, fills: []string{"b.limits.memory=1Gi", "c.requests.cpu=1"},
			unfilled: []string{"c.limits.memory: not set: the Pod's memory limit 3Gi is over the maximum of 2Gi (LimitRange/r)"}},
		{name: "together they reach a Pod's min", pod: pod(app("a", ""), app("b", "")), ranges: several(perPod("r", limits{min: "cpu=1"})),
			wishes: []string{"a.requests.cpu=500m", "b.requests.cpu=500m"}, fills: []string{"a.requests.cpu=500m", "b.requests.cpu=500m"}},
		{name: "refused for want of a limit is not refused for one", pod: pod(app("a", "")), ranges: several(perPod("r", limits{max: "memory=1Gi"})),
			wishes:   []string{"a.limits.memory=2Gi", "a.requests.memory=1Gi"},
			fills:    []string{"a.requests.memory=1Gi"},
			unfilled: []string{"a.limits.memory: not set: the Pod's memory limit 2Gi is over the maximum of 1Gi (LimitRange/r)"}},
		{name: "refused anyway, still filled", pod: pod(app("a", "cpu=1m")), ranges: several(perContainer("r", limits{min: "cpu=10m"})),
			wishes: []string{"a.limits.cpu=1", "a.requests.memory=1Gi"}, fills: []string{"a.limits.cpu=1", "a.requests.memory=1Gi"}},
		{name: "wishes that make no sense", pod: pod(app("a", "")),
			wishes:   []string{"x.requests.cpu=1", "a.requests.cpu=-1", "a.limits.cpu=1", "a.limits.cpu=1000m", "a.limits.cpu=2"},
			fills:    []string{"a.limits.cpu=1"},
			unfilled: []string{"x.requests.cpu: the Pod has no container of that name that can have resources", "a.requests.cpu: -1 is negative", "a.limits.cpu: 1 is already proposed for the same field"}},
	} {
		t.Run(c.name, c.run)
	}
}

func TestFitLeavesDevicesAlone(t *testing.T) {
	w := []Proposal{{Container: "a", Field: Field{Resource: "example.com/gpu"}, Value: list("x=1")["x"]}}
	if fills, unfilled := Fit(pod(app("a", "")), w, nil, nil); len(fills) != 0 || len(unfilled) != 1 {
		t.Errorf("%v, %v", fills, unfilled)
	}
}

func quota(name, hard, used string, scopes ...corev1.ResourceQuotaScope) *corev1.ResourceQuota {
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ResourceQuotaSpec{Hard: list(hard), Scopes: scopes}}
	if used != "-" {
		q.Status = corev1.ResourceQuotaStatus{Hard: list(hard), Used: list(used)}
	}
	return q
}

func TestFitQuotas(t *testing.T) {
	const notBestEffort = corev1.ResourceQuotaScopeNotBestEffort
	one := func(q *corev1.ResourceQuota) []*corev1.ResourceQuota { return []*corev1.ResourceQuota{nil, q} }
	bySelector := quota("q", "pods=10", "pods=10")
	bySelector.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{ScopeName: notBestEffort, Operator: corev1.ScopeSelectorOpExists}}}
	full := "with cpu or memory set, the Pod would be subject to ResourceQuota/q, which is for Pods that are not BestEffort: pods would exceed the maximum of 10: 10 in use, 1 more needed"
	overhead := withPodLevel(pod(app("a", "")), "cpu=1")
	overhead.Overhead = list("memory=1Gi")
	for _, c := range []fitCase{
		{name: "a quota that demands what is missing refuses already", pod: pod(app("a", "")), quotas: one(quota("q", "requests.cpu=1", "requests.cpu=1")),
			wishes: []string{"a.requests.cpu=100m"}, fills: []string{"a.requests.cpu=100m"}},
		{name: "also before it has a status", pod: pod(app("a", "")), quotas: one(quota("q", "requests.cpu=1", "-")),
			wishes: []string{"a.requests.cpu=100m"}, fills: []string{"a.requests.cpu=100m"}},
		{name: "NotBestEffort has no room for a Pod", pod: pod(app("a", "")), quotas: one(quota("q", "pods=10", "pods=10", notBestEffort)),
			wishes: []string{"a.requests.cpu=100m", "a.requests.memory=1Gi", "a.requests.ephemeral-storage=1Gi"}, fills: []string{"a.requests.ephemeral-storage=1Gi"},
			unfilled: []string{"a.requests.cpu: " + full, "a.requests.memory: " + full}},
		{name: "by scopeSelector", pod: pod(app("a", "")), quotas: one(bySelector),
			wishes: []string{"a.requests.cpu=100m"}, unfilled: []string{"a.requests.cpu: " + full}},
		{name: "NotBestEffort has room", pod: pod(app("a", "")), quotas: one(quota("q", "pods=10", "pods=9", notBestEffort)),
			wishes: []string{"a.requests.cpu=100m"}, fills: []string{"a.requests.cpu=100m"}},
		{name: "zero is still BestEffort", pod: pod(app("a", "")), quotas: one(quota("q", "pods=10", "pods=10", notBestEffort)),
			wishes: []string{"a.requests.cpu=0"}, fills: []string{"a.requests.cpu=0"}},
		{name: "the Pod is under NotBestEffort already", pod: pod(app("a", "cpu=1")), quotas: one(quota("q", "pods=10", "pods=10", notBestEffort)),
			wishes: []string{"a.requests.memory=1Gi"}, fills: []string{"a.requests.memory=1Gi"}},
		{name: "NotBestEffort demands more than is wished", pod: pod(app("a", "")), quotas: one(quota("q", "requests.memory=10Gi", "requests.memory=0", notBestEffort)),
			wishes:   []string{"a.requests.cpu=100m"},
			unfilled: []string{`a.requests.cpu: with cpu or memory set, the Pod would be subject to ResourceQuota/q, which is for Pods that are not BestEffort: it requires requests.memory, which container "a" does not set`}},
		{name: "NotBestEffort without a status", pod: pod(app("a", "")), quotas: one(quota("q", "pods=10", "-", notBestEffort)),
			wishes:   []string{"a.requests.cpu=100m"},
			unfilled: []string{"a.requests.cpu: with cpu or memory set, the Pod would be subject to ResourceQuota/q, which is for Pods that are not BestEffort: how much pods is left of 10 is not known"}},
		{name: "NotBestEffort demands more, and has no status", pod: pod(app("a", "")), quotas: one(quota("q", "requests.memory=10Gi", "-", notBestEffort)),
			wishes:   []string{"a.requests.cpu=100m"},
			unfilled: []string{`a.requests.cpu: with cpu or memory set, the Pod would be subject to ResourceQuota/q, which is for Pods that are not BestEffort: it requires requests.memory, which container "a" does not set`}},
		{name: "leaving BestEffort is free", pod: pod(app("a", "")), quotas: one(quota("q", "pods=10", "pods=10", corev1.ResourceQuotaScopeBestEffort)),
			wishes: []string{"a.requests.cpu=100m"}, fills: []string{"a.requests.cpu=100m"}},
		{name: "with Pod-level resources a quota demands nothing, and has no room", pod: withPodLevel(pod(app("a", "")), "cpu=1"), quotas: one(quota("q", "limits.memory=1Gi", "limits.memory=512Mi")),
			wishes: []string{"a.limits.memory=1Gi", "a.limits.ephemeral-storage=1Gi"}, fills: []string{"a.limits.ephemeral-storage=1Gi"},
			unfilled: []string{"a.limits.memory: ResourceQuota/q: limits.memory would exceed the maximum of 1Gi: 512Mi in use, 1Gi more needed"}},
		{name: "or has room", pod: withPodLevel(pod(app("a", "")), "cpu=1"), quotas: one(quota("q", "memory=2Gi", "memory=512Mi")),
			wishes: []string{"a.limits.memory=1Gi"}, fills: []string{"a.limits.memory=1Gi"}},
		{name: "but not with the overhead", pod: overhead, quotas: one(quota("q", "memory=2Gi", "memory=512Mi")),
			wishes:   []string{"a.limits.memory=1Gi"},
			unfilled: []string{"a.limits.memory: ResourceQuota/q: memory would exceed the maximum of 2Gi: 512Mi in use, 2Gi more needed"}},
		{name: "ephemeral storage is never demanded", pod: pod(app("a", "")), quotas: one(quota("q", "requests.ephemeral-storage=1Gi", "requests.ephemeral-storage=1Gi")),
			wishes:   []string{"a.limits.ephemeral-storage=1Gi"},
			unfilled: []string{"a.limits.ephemeral-storage: ResourceQuota/q: requests.ephemeral-storage would exceed the maximum of 1Gi: 1Gi in use, 1Gi more needed"}},
		{name: "nor is how much is left known without a status", pod: pod(app("a", "")), quotas: one(quota("q", "requests.ephemeral-storage=1Gi", "-")),
			wishes:   []string{"a.limits.ephemeral-storage=1Mi"},
			unfilled: []string{"a.limits.ephemeral-storage: ResourceQuota/q: how much requests.ephemeral-storage is left of 1Gi is not known"}},
		{name: "quotas on other things", pod: pod(app("a", "")), quotas: one(quota("q", "services=0 requests.storage=0 count/pods=1", "services=0 requests.storage=0 count/pods=0")),
			wishes: []string{"a.limits.cpu=1"}, fills: []string{"a.limits.cpu=1"}},
	} {
		t.Run(c.name, c.run)
	}
}

func BenchmarkFit(b *testing.B) {
	ranges := []*corev1.LimitRange{perContainer("r", limits{ratio: "memory=2"}), perPod("s", limits{max: "memory=4Gi"})}
	w := wishes(b, "a.requests.cpu=100m", "a.requests.memory=128Mi", "a.limits.memory=256Mi")
	for name, p := range map[string]Pod{"gaps": pod(app("a", "")), "no gaps": pod(app("a", "cpu=1 memory=1Gi|memory=1Gi"))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Fit(p, w, ranges, nil)
			}
		})
	}
}

// A fill is checked in the form in which the API server reads it: for amounts near the limit of thousandths,
// the form affects how a total is rounded.
func TestFitJudgesWhatIsSent(t *testing.T) {
	ranges := []*corev1.LimitRange{perPod("r", limits{ratio: "cpu=1"})}
	p := pod(app("a", ""), app("b", "cpu=-1"))
	wished := wishes(t, "a.requests.cpu=100u", "a.limits.cpu=9223372036854775807m")
	fills, _ := Fit(p, wished, ranges, nil)
	for i := range fills {
		fills[i].Value = resource.MustParse(fills[i].Value.String())
	}
	if again, _ := Fit(patched(p, fills), wished, ranges, nil); len(again) > 0 {
		t.Errorf("a second time: %v after %v", showFills(again), showFills(fills))
	}
}
