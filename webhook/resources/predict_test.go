package resources

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

func TestDefault(t *testing.T) {
	for _, test := range []struct{ name, declared, want string }{
		{"nothing", "", "|"},
		{"a limit becomes the request", "| cpu=1 memory=1Gi", "cpu=1 memory=1Gi | cpu=1 memory=1Gi"},
		{"for each resource", "cpu=100m | cpu=1 memory=1Gi", "cpu=100m memory=1Gi | cpu=1 memory=1Gi"},
		{"a request does not become the limit", "cpu=1", "cpu=1 |"},
		{"rounded up to thousandths", "cpu=100u | cpu=1500u", "cpu=1m | cpu=2m"},
	} {
		p := pod(app("a", test.declared))
		if got := show(APIDefaults(p).Containers[0].Resources); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if diff := cmp.Diff(pod(app("a", test.declared)), p); diff != "" {
			t.Errorf("%s: the Pod passed in changed: %s", test.name, diff)
		}
	}
}

func TestPredictDefaults(t *testing.T) {
	for _, test := range []struct {
		name     string
		declared string
		limits   limits
		want     string
	}{
		{"default and defaultRequest", "", limits{deflt: "cpu=1", request: "cpu=100m"}, "cpu=100m | cpu=1"},
		{"default is the request too", "", limits{deflt: "cpu=1"}, "cpu=1 | cpu=1"},
		{"max is the default", "", limits{max: "cpu=2"}, "cpu=2 | cpu=2"},
		{"max is no default next to one", "", limits{max: "cpu=2", deflt: "cpu=1"}, "cpu=1 | cpu=1"},
		{"min is the request", "", limits{min: "cpu=50m"}, "cpu=50m |"},
		{"default comes before min", "", limits{min: "cpu=50m", deflt: "cpu=1"}, "cpu=1 | cpu=1"},
		{"never over a value", "cpu=20m", limits{deflt: "cpu=1", request: "cpu=100m"}, "cpu=20m | cpu=1"},
		{"requests from limits come first", "| cpu=3", limits{deflt: "cpu=1", request: "cpu=100m"}, "cpu=3 | cpu=3"},
		{"a zero is a value", "cpu=0", limits{request: "cpu=100m"}, "cpu=0 |"},
	} {
		for _, kind := range []decision.ContainerType{decision.ContainerApp, decision.ContainerInit, decision.ContainerSidecar} {
			got := Predict(pod(of(app("a", test.declared), kind)), []*corev1.LimitRange{perContainer("r", test.limits)})
			if len(got.Outcomes) != 1 || show(got.Effective(0)) != test.want {
				t.Errorf("%s: %q in %d outcomes, want %q", test.name, show(got.Effective(0)), len(got.Outcomes), test.want)
			}
		}
	}
}

func TestPredictRefusals(t *testing.T) {
	container := func(l limits) *corev1.LimitRange { return perContainer("r", l) }
	whole := func(l limits) *corev1.LimitRange { return perPod("r", l) }
	for _, test := range []struct {
		name string
		pod  Pod
		r    *corev1.LimitRange
		want []string
	}{
		{"inside", pod(app("a", "cpu=1|cpu=2")), container(limits{min: "cpu=1", max: "cpu=2", ratio: "cpu=2"}), nil},
		{"request under min", pod(app("a", "cpu=1m")), container(limits{min: "cpu=10m"}), []string{"a cpu min: cpu request 1m is under the minimum of 10m"}},
		{"limit over max", pod(app("a", "cpu=1|cpu=3")), container(limits{max: "cpu=2"}), []string{"a cpu max: cpu limit 3 is over the maximum of 2"}},
		{"request under min of an init container", pod(of(app("a", "cpu=1m"), decision.ContainerInit)), container(limits{min: "cpu=10m"}), []string{"a cpu min: cpu request 1m is under the minimum of 10m"}},
		{"over the ratio", pod(app("a", "memory=1Gi|memory=3Gi")), container(limits{ratio: "memory=2"}), []string{"a memory maxLimitRequestRatio: memory limit 3Gi is more than 2 times the request 1Gi"}},
		{"at the ratio", pod(app("a", "memory=1Gi|memory=2Gi")), container(limits{ratio: "memory=2"}), nil},
		{"the ratio wants a request", pod(app("a", "")), container(limits{ratio: "cpu=2"}), []string{"a cpu maxLimitRequestRatio: cpu request is not set or is 0, but the limit may be at most 2 times the request"}},
		{"the ratio wants a limit", pod(app("a", "cpu=1")), container(limits{ratio: "cpu=2"}), []string{"a cpu maxLimitRequestRatio: cpu limit is not set or is 0, but must be set to at most 2 times the request"}},
		{"a Pod's min wants a request", pod(app("a", "")), whole(limits{min: "cpu=1"}), []string{" cpu min: the Pod's cpu request is not set, but the minimum is 1"}},
		{"a Pod's max wants a limit", pod(app("a", "cpu=1")), whole(limits{max: "cpu=1"}), []string{" cpu max: the Pod's cpu limit is not set, but the maximum is 1"}},
		{"one container with a limit is enough", pod(app("a", "|cpu=1"), app("b", "")), whole(limits{max: "cpu=1"}), nil},
		{"containers add up", pod(app("a", "|cpu=1"), app("b", "|cpu=1")), whole(limits{max: "cpu=1500m"}), []string{" cpu max: the Pod's cpu limit 2 is over the maximum of 1500m"}},
		{"init containers do not add up", pod(app("a", "|cpu=1"), of(app("b", "|cpu=1"), decision.ContainerInit), of(app("c", "|cpu=1"), decision.ContainerInit)), whole(limits{max: "cpu=1"}), nil},
		{"sidecars do", pod(app("a", "|cpu=1"), of(app("b", "|cpu=1"), decision.ContainerSidecar)), whole(limits{max: "cpu=1"}), []string{" cpu max: the Pod's cpu limit 2 is over the maximum of 1"}},
		{"an init container runs along with the sidecars before it", pod(app("a", "|cpu=1"), of(app("b", "|cpu=1"), decision.ContainerSidecar), of(app("c", "|cpu=2"), decision.ContainerInit)), whole(limits{max: "cpu=2"}), []string{" cpu max: the Pod's cpu limit 3 is over the maximum of 2"}},
		{"and not with those after it", pod(app("a", "|cpu=1"), of(app("c", "|cpu=2"), decision.ContainerInit), of(app("b", "|cpu=1"), decision.ContainerSidecar)), whole(limits{max: "cpu=2"}), nil},
		{"Pod-level resources replace the sum", withPodLevel(pod(app("a", "|cpu=1")), "|cpu=2"), whole(limits{max: "cpu=1"}), []string{" cpu max: the Pod's cpu limit 2 is over the maximum of 1"}},
		{"Pod-level defaults land before the check", withPodLevel(pod(app("a", "")), "|cpu=2"), whole(limits{min: "cpu=2"}), nil},
		{"a Pod-level limit follows from the containers'", withPodLevel(pod(app("a", "cpu=1|cpu=3")), "cpu=2"), whole(limits{max: "cpu=3", ratio: "cpu=2"}), nil},
		{"what is wrong after what is right", pod(app("a", "cpu=1 memory=1Gi ephemeral-storage=1|cpu=1 memory=3Gi ephemeral-storage=5")),
			container(limits{max: "cpu=1 ephemeral-storage=4 memory=2Gi", min: "cpu=1 memory=1Gi"}),
			[]string{"a ephemeral-storage max: ephemeral-storage limit 5 is over the maximum of 4", "a memory max: memory limit 3Gi is over the maximum of 2Gi"}},
		{"min of the limit too", pod(app("a", "cpu=5m|cpu=5m")), container(limits{min: "cpu=10m"}), []string{"a cpu min: cpu request 5m is under the minimum of 10m"}},
		{"max of the request too", pod(app("a", "cpu=3|cpu=3")), container(limits{max: "cpu=2"}), []string{"a cpu max: cpu limit 3 is over the maximum of 2"}},
		{"to the bounds", pod(app("a", "cpu=1|cpu=2")), container(limits{min: "cpu=1", max: "cpu=2"}), nil},
		{"large values compare in whole units", pod(app("a", "memory=10P|memory=10P")), container(limits{ratio: "memory=1"}), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, r := range Predict(test.pod, []*corev1.LimitRange{test.r}).Refusals() {
				if r.By != "LimitRange/r" || !r.Certain {
					t.Errorf("%+v", r)
				}
				got = append(got, fmt.Sprintf("%s %s %s: %s", r.Container, r.Resource, r.Bound, r.Message))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPredictInvalid(t *testing.T) {
	for _, test := range []struct {
		name string
		pod  Pod
		l    limits
		want []string
	}{
		{"a default limit under the request", pod(app("a", "cpu=2")), limits{deflt: "cpu=1"}, []string{`container "a": cpu request 2 is over the limit 1`}},
		{"a fraction of a device", pod(app("a", "")), limits{deflt: "example.com/gpu=1500m"}, []string{`container "a": example.com/gpu limit 1500m is not a whole number`, `container "a": example.com/gpu request 1500m is not a whole number`}},
		{"devices do not overcommit", pod(app("a", "example.com/gpu=1")), limits{}, []string{`container "a": example.com/gpu request 1 must have an equal limit`}},
		{"hugepages need company", pod(app("a", "|hugepages-2Mi=4Mi")), limits{}, []string{`container "a": hugepages also require a cpu or memory request or limit`}},
		{"and get it", pod(app("a", "|hugepages-2Mi=4Mi")), limits{request: "cpu=1"}, nil},
		{"a default over the Pod's limit", withPodLevel(pod(app("a", "")), "|cpu=1"), limits{deflt: "cpu=2", request: "cpu=1"}, []string{`container "a": cpu limit 2 is over the Pod-level limit 1`}},
		{"in an init container it is none", withPodLevel(pod(of(app("a", ""), decision.ContainerInit)), "|cpu=1"), limits{deflt: "cpu=2", request: "cpu=1"}, nil},
		{"a limit of all that the Pod may have", withPodLevel(pod(app("a", "cpu=1|cpu=1")), "|cpu=1"), limits{}, nil},
		{"all requests of the Pod", withPodLevel(pod(app("a", "memory=1Gi"), app("b", "memory=1Gi")), "memory=2Gi"), limits{}, nil},
		{"hugepages of all that the Pod has", withPodLevel(pod(app("a", "cpu=1|hugepages-2Mi=2Mi"), app("b", "cpu=1|hugepages-2Mi=2Mi")), "cpu=2|hugepages-2Mi=4Mi"), limits{}, nil},
		{"more hugepages than the Pod has", withPodLevel(pod(app("a", "cpu=1|hugepages-2Mi=4Mi"), app("b", "cpu=1|hugepages-2Mi=2Mi")), "cpu=2|hugepages-2Mi=4Mi"), limits{},
			[]string{`the containers' hugepages-2Mi requests add up to 6Mi, over the Pod-level request 4Mi`, `the containers' hugepages-2Mi limits add up to 6Mi, over the Pod-level limit 4Mi`}},
		{"limits of other things do not add up", withPodLevel(pod(app("a", "|cpu=1"), app("b", "|cpu=1")), "cpu=2|cpu=1500m"), limits{}, []string{`Pod-level resources: cpu request 2 is over the limit 1500m`}},
		{"half a page", pod(app("a", "cpu=1|hugepages-2Mi=3Mi")), limits{}, []string{
			`container "a": hugepages-2Mi limit 3Mi is not a multiple of the page size`, `container "a": hugepages-2Mi request 3Mi is not a multiple of the page size`,
		}},
		{"no size of a page", pod(app("a", "cpu=1|hugepages-x=2Mi")), limits{}, []string{
			`container "a": hugepages-x limit 2Mi is not a multiple of the page size`, `container "a": hugepages-x request 2Mi is not a multiple of the page size`,
		}},
		{"less than nothing", pod(app("a", "cpu=-1|cpu=1")), limits{}, []string{`container "a": cpu request -1 is negative`}},
		{"a request of all there is", pod(app("a", "cpu=1|cpu=1")), limits{}, nil},
		{"a device less than its limit", pod(app("a", "example.com/gpu=1|example.com/gpu=2")), limits{}, []string{`container "a": example.com/gpu request 1 must be equal to the limit 2`}},
		{"default requests over the Pod's", withPodLevel(pod(app("a", ""), app("b", "")), "memory=1Gi"), limits{request: "memory=1Gi"}, []string{`the containers' memory requests add up to 2Gi, over the Pod-level request 1Gi`}},
	} {
		var got []string
		for _, fault := range Predict(test.pod, []*corev1.LimitRange{perContainer("r", test.l)}).Outcomes[0].Invalid {
			got = append(got, fault.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestPredictOrders(t *testing.T) {
	small := perContainer("small", limits{deflt: "cpu=1", request: "cpu=100m"})
	large := perContainer("large", limits{deflt: "cpu=4", request: "cpu=2", max: "cpu=8"})
	floor := perContainer("floor", limits{min: "cpu=200m"})
	p := Predict(pod(app("a", ""), app("b", "memory=1Gi")), []*corev1.LimitRange{small, large})
	var got []string
	for _, o := range p.Outcomes {
		got = append(got, show(o.Pod.Containers[0].Resources))
	}
	if diff := cmp.Diff([]string{"cpu=2 | cpu=4", "cpu=100m | cpu=1"}, got); diff != "" {
		t.Error(diff)
	}
	if got := show(p.Effective(1)); got != "memory=1Gi |" {
		t.Errorf("agreed on %q", got)
	}

	// Either the floor's own default applies first, or small's request, which the floor refuses.
	refusals := Predict(pod(app("a", "")), []*corev1.LimitRange{small, floor}).Refusals()
	if len(refusals) != 1 || refusals[0].Certain || refusals[0].By != "LimitRange/floor" {
		t.Errorf("refusals %+v, want one that is not certain", refusals)
	}
	// If the Pod sets the value itself, the order does not matter.
	if p := Predict(pod(app("a", "cpu=1|cpu=1")), []*corev1.LimitRange{small, large}); len(p.Outcomes) != 1 {
		t.Errorf("%d outcomes, want 1", len(p.Outcomes))
	}
}

// Among many LimitRanges, requests and limits are combined in every possible way, and in no other.
func TestPredictManyLimitRanges(t *testing.T) {
	for _, n := range []int{6, 16, 40} {
		var ranges []*corev1.LimitRange
		for i := range n {
			l := limits{request: fmt.Sprintf("cpu=%d", i+1)}
			if i%2 == 0 {
				l.deflt = fmt.Sprintf("cpu=%d", 2*i+1)
			}
			ranges = append(ranges, perContainer(fmt.Sprintf("r%02d", i), l))
		}
		p := Predict(pod(app("a", "")), ranges)
		if len(p.Outcomes) > maxOrders {
			t.Errorf("%d outcomes of %d", len(p.Outcomes), n)
		}
		got := map[string]bool{}
		for _, o := range p.Outcomes {
			got[show(o.Pod.Containers[0].Resources)] = true
		}
		want := map[string]bool{}
		for i := range n {
			for j := 0; j < n; j += 2 {
				if i == j || i%2 == 1 {
					want[fmt.Sprintf("cpu=%d | cpu=%d", i+1, 2*j+1)] = true
				}
			}
		}
		for s := range got {
			if !want[s] {
				t.Errorf("of %d: impossible %q", n, s)
			}
		}
		if n <= maxPaired && len(got) != len(want) {
			t.Errorf("of %d: %d outcomes, want %d", n, len(got), len(want))
		}
		if !got[fmt.Sprintf("cpu=%d | cpu=1", n)] {
			t.Errorf("of %d: the largest request never meets the smallest limit", n)
		}
	}
}

func TestPodOf(t *testing.T) {
	w := &decision.Workload{
		Pod: map[string]any{"spec": map[string]any{"overhead": map[string]any{"cpu": "250m", "memory": int64(1024)}}},
		Containers: []decision.Container{
			{Name: "i", Type: decision.ContainerInit, Declared: needs("cpu=1")},
			{Name: "a", Type: decision.ContainerApp},
			{Name: "debug", Type: decision.ContainerEphemeral},
		},
	}
	want := Pod{Containers: []Container{of(app("i", "cpu=1"), decision.ContainerInit), app("a", "")}, Overhead: list("cpu=250m memory=1024")}
	if diff := cmp.Diff(want, PodOf(w)); diff != "" {
		t.Error(diff)
	}
}

func TestField(t *testing.T) {
	for _, s := range []string{"resources.requests.cpu", "resources.limits.memory", "resources.limits.ephemeral-storage"} {
		if f, err := ParseField(s); err != nil || f.String() != s {
			t.Errorf("%s: %v, %v", s, f, err)
		}
	}
	for _, s := range []string{"", "requests.cpu", "resources.cpu", "resources.requests", "resources.claims.cpu", "resources.limits.example.com/gpu", "resources.requests.hugepages-2Mi"} {
		if _, err := ParseField(s); err == nil || strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%s: no error", s)
		}
	}
}

func BenchmarkPredict(b *testing.B) {
	p := pod(app("a", "cpu=100m memory=1Gi|cpu=1 memory=1Gi"), app("b", "cpu=1 memory=1Gi|memory=1Gi"))
	b.Run("no LimitRange", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Predict(p, nil)
		}
	})
	ranges := []*corev1.LimitRange{perContainer("r", limits{max: "cpu=2 memory=2Gi", deflt: "cpu=1 memory=1Gi", request: "cpu=100m memory=128Mi"})}
	b.Run("one LimitRange", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Predict(p, ranges)
		}
	})
}

// A Pod with fills is refused for the values that it then has, and the prediction without fills does not
// change.
func TestPredictAfterFills(t *testing.T) {
	cpu, memory := resource.MustParse("3"), resource.MustParse("1Gi")
	fills := []Fill{
		{Container: "a", Field: Field{Resource: "cpu"}, Value: cpu}, {Container: "b", Field: Field{Requests: true, Resource: "memory"}, Value: memory},
		{Container: "none", Field: Field{Resource: "cpu"}, Value: cpu},
	}
	before := Predict(withPodLevel(pod(app("a", ""), app("b", "memory=2Gi")), "memory=3Gi|memory=4Gi"), []*corev1.LimitRange{perPod("r", limits{max: "cpu=2"})})
	after := before.WithFills(fills)
	for name, c := range map[string]struct {
		prediction Prediction
		a, b, pod  string
		refusals   string
	}{
		"before": {before, "|", "memory=2Gi |", "memory=3Gi | memory=4Gi", "cpu max: the Pod's cpu limit is not set, but the maximum is 2"},
		"after":  {after, "cpu=3 | cpu=3", "memory=2Gi |", "cpu=3 memory=3Gi | memory=4Gi", "cpu max: the Pod's cpu limit 3 is over the maximum of 2"},
	} {
		pods, refusals := c.prediction.Pods(), c.prediction.Refusals()
		if len(pods) != 1 || len(refusals) != 1 || len(pods[0].Containers) != 2 {
			t.Fatalf("%s: got %+v", name, c.prediction)
		}
		if a, b, whole := show(pods[0].Containers[0].Resources), show(pods[0].Containers[1].Resources), show(*pods[0].Resources); a != c.a || b != c.b || whole != c.pod {
			t.Errorf("%s: got %s, %s, and %s", name, a, b, whole)
		}
		if got := refusals[0].Resource + " " + refusals[0].Bound + ": " + refusals[0].Message; got != c.refusals {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if again := before.WithFills(nil); len(again.Outcomes) != 1 || &again.Outcomes[0] != &before.Outcomes[0] {
		t.Error("without fills it is another prediction")
	}
}

// Partly set Pod-level resources are completed from the containers, as when a Pod is stored.
func TestPodLevelDefaults(t *testing.T) {
	for name, c := range map[string]struct {
		pod  Pod
		want string
	}{
		"none":                             {withPodLevel(pod(app("a", "cpu=1|cpu=2")), ""), "|"},
		"a request, and limits":            {withPodLevel(pod(app("a", "|cpu=2"), app("b", "|cpu=1")), "cpu=1"), "cpu=1 | cpu=3"},
		"a request over the limits":        {withPodLevel(pod(app("a", "|cpu=2")), "cpu=5"), "cpu=5 | cpu=5"},
		"a container without a limit":      {withPodLevel(pod(app("a", "|cpu=2"), app("b", "")), "cpu=1"), "cpu=1 |"},
		"a limit alone":                    {withPodLevel(pod(app("a", "")), "|cpu=3"), "cpu=3 | cpu=3"},
		"a limit, and requests":            {withPodLevel(pod(app("a", "cpu=1"), app("b", "cpu=1")), "|cpu=3"), "cpu=2 | cpu=3"},
		"one of two":                       {withPodLevel(pod(app("a", "cpu=1 memory=2|memory=2")), "memory=1"), "cpu=1 memory=1 | memory=2"},
		"what is set stays":                {withPodLevel(pod(app("a", "cpu=1|cpu=2")), "cpu=7|cpu=8"), "cpu=7 | cpu=8"},
		"storage is no Pod's":              {withPodLevel(pod(app("a", "ephemeral-storage=1|ephemeral-storage=2")), "cpu=1|ephemeral-storage=3"), "cpu=1 | ephemeral-storage=3"},
		"storage has no limit of requests": {withPodLevel(pod(app("a", "ephemeral-storage=1|ephemeral-storage=2")), "ephemeral-storage=1"), "ephemeral-storage=1 |"},
		"hugepages":                        {withPodLevel(pod(app("a", "|hugepages-2Mi=4Mi"), app("b", "|hugepages-2Mi=2Mi")), "cpu=1"), "cpu=1 hugepages-2Mi=6Mi | hugepages-2Mi=6Mi"},
		"hugepages of its own":             {withPodLevel(pod(app("a", "|hugepages-2Mi=4Mi")), "hugepages-2Mi=8Mi"), "hugepages-2Mi=8Mi | hugepages-2Mi=8Mi"},
		"some have hugepages":              {withPodLevel(pod(app("a", "|hugepages-2Mi=4Mi"), app("b", "")), "hugepages-2Mi=2Mi"), "hugepages-2Mi=2Mi |"},
	} {
		before := show(*c.pod.Resources)
		if got := show(*withPodLevelDefaults(c.pod).Resources); got != c.want {
			t.Errorf("%s: got %s", name, got)
		}
		if again := show(*c.pod.Resources); again != before {
			t.Errorf("%s: the Pod passed in is %s", name, again)
		}
	}
	if got := withPodLevelDefaults(pod(app("a", "cpu=1|cpu=2"))); got.Resources != nil {
		t.Errorf("got %+v", got)
	}
}

// Each item of a LimitRange applies to its own type only, whatever precedes it.
func TestItemsOfALimitRange(t *testing.T) {
	storage := limits{min: "storage=1Gi", max: "storage=2Gi"}.item(corev1.LimitTypePersistentVolumeClaim)
	whole, each := limits{max: "cpu=1"}.item(corev1.LimitTypePod), limits{max: "cpu=1"}.item(corev1.LimitTypeContainer)
	p := pod(app("a", "cpu=1|cpu=2"), app("b", "cpu=1|cpu=3"))
	const ofPod, ofA, ofB = " the Pod's cpu limit 5 is over the maximum of 1", "a cpu limit 2 is over the maximum of 1", "b cpu limit 3 is over the maximum of 1"
	for name, c := range map[string]struct {
		items []corev1.LimitRangeItem
		want  []string
	}{
		"of claims": {[]corev1.LimitRangeItem{storage}, nil}, "of the Pod": {[]corev1.LimitRangeItem{whole}, []string{ofPod}}, "of containers": {[]corev1.LimitRangeItem{each}, []string{ofA, ofB}},
		"all": {[]corev1.LimitRangeItem{storage, whole, each}, []string{ofPod, ofA, ofB}}, "all, the other way": {[]corev1.LimitRangeItem{each, whole, storage}, []string{ofA, ofB, ofPod}},
		"of nobody": {[]corev1.LimitRangeItem{limits{max: "cpu=1"}.item("Node")}, nil},
	} {
		var got []string
		for _, r := range Predict(p, []*corev1.LimitRange{ranged("r", c.items...)}).Refusals() {
			got = append(got, r.Container+" "+r.Message)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
