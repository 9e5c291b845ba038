package resources

import (
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/decision"
)

func TestHowFarARefusalIsFromRight(t *testing.T) {
	for name, test := range map[string]struct {
		pod  Pod
		r    *corev1.LimitRange
		want string
	}{
		"a limit over the maximum":         {pod(app("a", "|memory=3Gi")), perContainer("r", limits{max: "memory=2Gi"}), "1073741824"},
		"millicores":                       {pod(app("a", "|cpu=1501m")), perContainer("r", limits{max: "cpu=1500m"}), "0.001"},
		"an odd byte of many":              {pod(app("a", "|memory=9007199254740993")), perContainer("r", limits{max: "memory=1"}), "9007199254740992"},
		"nearly all that an int64 has":     {pod(app("a", "|memory=9E")), perContainer("r", limits{max: "memory=1"}), "8999999999999999999"},
		"an exponent":                      {pod(app("a", "|memory=9e18")), perContainer("r", limits{max: "memory=8e18"}), "1000000000000000000"},
		"a request under the minimum":      {pod(app("a", "memory=1Mi")), perContainer("r", limits{min: "memory=3Mi"}), "2097152"},
		"a limit that is not set":          {pod(app("a", "cpu=1")), perPod("r", limits{max: "cpu=1"}), ""},
		"a request that is not set":        {pod(app("a", "")), perPod("r", limits{min: "cpu=1"}), ""},
		"a ratio":                          {pod(app("a", "cpu=1|cpu=3500m")), perContainer("r", limits{ratio: "cpu=2"}), "1.500000000000000000"},
		"a ratio without a request":        {pod(app("a", "")), perContainer("r", limits{ratio: "cpu=2"}), ""},
		"a total of several containers":    {pod(app("a", "|cpu=1"), app("b", "|cpu=1")), perPod("r", limits{max: "cpu=1500m"}), "0.500"},
		"a default limit under a request":  {pod(app("a", "memory=3Gi")), perContainer("r", limits{deflt: "memory=1Gi"}), "2147483648"},
		"the worse one of request and max": {pod(app("a", "cpu=3|cpu=2500m")), perContainer("r", limits{max: "cpu=2"}), "1"},
	} {
		p := Predict(test.pod, []*corev1.LimitRange{test.r})
		refusals := append(p.Refusals(), p.InvalidDefaults()...)
		if len(refusals) != 1 || number(refusals[0].Excess) != number(test.want) {
			t.Errorf("%s: want %q, got %+v", name, test.want, refusals)
		}
	}
}

// number returns a decimal number as a fraction, in which trailing zeros make no difference.
func number(text string) string {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return text
	}
	return r.String()
}

// A value that is farther from the bound has the larger excess.
func TestExcessGrowsWithTheDistance(t *testing.T) {
	amount := func(t *rapid.T, name string) resource.Quantity {
		if rapid.Bool().Draw(t, name+" is large") {
			return *resource.NewQuantity(rapid.Int64Range(1, 1<<62).Draw(t, name), resource.BinarySI)
		}
		return *resource.NewMilliQuantity(rapid.Int64Range(1, 5000).Draw(t, name), resource.DecimalSI)
	}
	property.Check(t, func(t *rapid.T) {
		b := bound{kind: boundMax, resource: "memory", value: amount(t, "maximum")}
		less, more := amount(t, "less"), amount(t, "more")
		of := func(q resource.Quantity) *big.Rat {
			r, ok := new(big.Rat).SetString(b.excess(&corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": q}}))
			if !ok {
				t.Fatalf("%s has no excess", q.String())
			}
			return r
		}
		if got, want := of(less).Cmp(of(more)), less.Cmp(more); got != want {
			t.Fatalf("%s and %s compare as %d, and their excess as %d", less.String(), more.String(), want, got)
		}
	})
}

func TestHowMuchTooLittleAQuotaHasLeft(t *testing.T) {
	three := Demand{Pods: []Pod{pod(app("a", "cpu=1"))}}
	for name, test := range map[string]struct {
		count decision.PodCount
		when  decision.ShortageTime
		pods  int64
		want  string
	}{
		"always":             {decision.PodCount{Steady: 5, Max: 5, Surge: 1}, decision.ShortAlways, 5, "2"},
		"less":               {decision.PodCount{Steady: 4, Max: 4, Surge: 1}, decision.ShortAlways, 4, "1"},
		"stuck":              {decision.PodCount{Steady: 3, Max: 3, Surge: 2}, decision.ShortStuck, 4, "0"},
		"for the autoscaler": {decision.PodCount{Steady: 3, Max: 4}, decision.ShortScaling, 4, ""},
		"only for a rollout": {decision.PodCount{Steady: 3, Max: 3, Surge: 2, Unavailable: 1}, decision.ShortRollout, 5, ""},
	} {
		d := three
		d.Count = test.count
		quota := &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: list("requests.cpu=3")}}
		short := Shortages(d, []*corev1.ResourceQuota{quota})
		if len(short) != 1 || short[0].When != test.when || short[0].Pods != test.pods || short[0].Excess != test.want {
			t.Errorf("%s: got %+v", name, short)
		}
	}
}

// An exceeded quota has nothing left, and a quota that requires a value names the container without it.
func TestWhatAShortageSays(t *testing.T) {
	overdrawn := quota("q", "requests.cpu=3", "requests.cpu=5")
	want := decision.Shortage{By: "ResourceQuota/q", Resource: "requests.cpu", When: decision.ShortAlways, Pods: 2, Needed: "2", Left: "0", Hard: "3", Excess: "4", Certain: true}
	got := Shortages(Demand{Pods: []Pod{pod(app("a", "cpu=1"))}, Count: decision.PodCount{Steady: 2, Max: 2}}, []*corev1.ResourceQuota{overdrawn})
	if diff := cmp.Diff([]decision.Shortage{want}, got); diff != "" {
		t.Error(diff)
	}
	demanding := quota("q", "limits.memory=3", "limits.memory=0")
	want = decision.Shortage{By: "ResourceQuota/q", Resource: "limits.memory", When: decision.ShortAlways, Container: "b", Field: "resources.limits.memory", Certain: true}
	got = Shortages(Demand{Pods: []Pod{pod(app("a", "|memory=1"), app("b", ""))}, Count: decision.PodCount{Steady: 1, Max: 1}}, []*corev1.ResourceQuota{demanding})
	if diff := cmp.Diff([]decision.Shortage{want}, got); diff != "" {
		t.Error(diff)
	}
	if got := Shortages(Demand{Pods: []Pod{withPodLevel(pod(app("a", "")), "|memory=1")}, Count: decision.PodCount{Steady: 1, Max: 1}}, []*corev1.ResourceQuota{demanding}); len(got) > 0 {
		t.Errorf("of a Pod with its own: got %+v", got)
	}
	// A shortage in only one of two outcomes is not certain.
	got = Shortages(Demand{Pods: []Pod{pod(app("a", "|memory=1")), pod(app("a", ""))}, Count: decision.PodCount{Steady: 1, Max: 1}}, []*corev1.ResourceQuota{demanding})
	if len(got) != 1 || got[0].Certain {
		t.Errorf("got %+v", got)
	}
	// Pods that are replaced release what they use.
	there := &Current{Pod: pod(app("a", "cpu=1")), Count: 2}
	full := quota("q", "requests.cpu=3", "requests.cpu=3")
	for count, short := range map[int64]bool{2: false, 3: true} {
		got := Shortages(Demand{Pods: []Pod{pod(app("a", "cpu=1"))}, Count: decision.PodCount{Steady: count, Max: count}, Current: there}, []*corev1.ResourceQuota{full})
		if (len(got) > 0) != short {
			t.Errorf("%d Pods: got %+v", count, got)
		}
	}
}
