package resources

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestClaimRefusals(t *testing.T) {
	claims := func(name string, l limits) *corev1.LimitRange {
		return ranged(name, l.item(corev1.LimitTypePersistentVolumeClaim))
	}
	for _, test := range []struct {
		name     string
		requests string
		limits   limits
		want     []string
	}{
		{"inside", "storage=5Gi", limits{min: "storage=1Gi", max: "storage=10Gi"}, nil},
		{"on the bounds", "storage=5Gi", limits{min: "storage=5Gi", max: "storage=5Gi"}, nil},
		{"under the minimum", "storage=500Mi", limits{min: "storage=1Gi"}, []string{"storage request 500Mi is under the minimum of 1Gi"}},
		{"over the maximum", "storage=20Gi", limits{max: "storage=10Gi"}, []string{"storage request 20Gi is over the maximum of 10Gi"}},
		{
			"nothing requested", "", limits{min: "storage=1Gi", max: "storage=10Gi"},
			[]string{"storage request is not set, but the minimum is 1Gi", "storage request is not set, but the maximum is 10Gi"},
		},
		{"another resource is bounded", "storage=5Gi", limits{max: "cpu=1"}, []string{"cpu request is not set, but the maximum is 1"}},
		{"a default is none, and a ratio no bound", "storage=5Gi", limits{deflt: "storage=1Gi", request: "storage=1Gi", ratio: "storage=1"}, nil},
		{"too large for thousandths", "storage=20P", limits{max: "storage=10P"}, []string{"storage request 20P is over the maximum of 10P"}},
		{"a request is rounded up to thousandths", "storage=1000m", limits{max: "storage=999999u"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, r := range ClaimRefusals(list(test.requests), []*corev1.LimitRange{claims("r", test.limits)}) {
				if r.By != "LimitRange/r" || r.Container != "" || !r.Certain {
					t.Errorf("%+v", r)
				}
				got = append(got, r.Message)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestClaimRefusalsByEachLimitRange(t *testing.T) {
	ranges := []*corev1.LimitRange{
		ranged("b", limits{max: "storage=1Gi"}.item(corev1.LimitTypePersistentVolumeClaim)),
		perContainer("pods-only", limits{max: "storage=1Gi"}),
		nil,
		ranged("a",
			limits{max: "storage=2Gi"}.item(corev1.LimitTypePersistentVolumeClaim),
			limits{min: "storage=9Gi"}.item(corev1.LimitTypePersistentVolumeClaim)),
	}
	want := []string{"LimitRange/a max", "LimitRange/a min", "LimitRange/b max"}
	for range 2 {
		var got []string
		for _, r := range ClaimRefusals(list("storage=5Gi"), ranges) {
			got = append(got, r.By+" "+r.Bound)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		slices.Reverse(ranges)
	}
}
