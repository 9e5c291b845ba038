package resources

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"taffrail.dev/test/podgen"
	"taffrail.dev/test/property"
	"taffrail.dev/webhook/decision"
)

var fields = []Field{
	{true, corev1.ResourceCPU}, {false, corev1.ResourceCPU},
	{true, corev1.ResourceMemory}, {false, corev1.ResourceMemory},
	{true, corev1.ResourceEphemeralStorage}, {false, corev1.ResourceEphemeralStorage},
}

var amounts = []string{"0", "100u", "100m", "150m", "1", "1500m", "2", "3", "7", "128Mi", "1Gi", "1.5Gi", "10P"}

func drawList(t *rapid.T, label string, names ...corev1.ResourceName) corev1.ResourceList {
	l := corev1.ResourceList{}
	for _, name := range names {
		if rapid.IntRange(0, 2).Draw(t, label) == 0 {
			l[name] = resource.MustParse(rapid.SampledFrom(amounts).Draw(t, string(name)))
		}
	}
	return l
}

// source lets rapid choose what podgen generates, so that it can shrink it.
type source struct{ t *rapid.T }

func (s source) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(s.t, "choice") }

func drawPod(t *rapid.T) Pod {
	drawn := podgen.Pod(source{t})
	p := Pod{Resources: drawn.Spec.Resources, Overhead: drawn.Spec.Overhead}
	for _, c := range drawn.Spec.InitContainers {
		kind := decision.ContainerInit
		if c.RestartPolicy != nil {
			kind = decision.ContainerSidecar
		}
		p.Containers = append(p.Containers, Container{Name: c.Name, Type: kind, Resources: c.Resources})
	}
	for _, c := range drawn.Spec.Containers {
		p.Containers = append(p.Containers, Container{Name: c.Name, Type: decision.ContainerApp, Resources: c.Resources})
	}
	return p
}

func drawRanges(t *rapid.T) []*corev1.LimitRange { return podgen.Ranges(source{t}, 4) }

func drawQuotas(t *rapid.T) []*corev1.ResourceQuota {
	names := []corev1.ResourceName{"pods", "cpu", "requests.memory", "limits.memory", "limits.cpu", "requests.ephemeral-storage", "limits.ephemeral-storage"}
	var quotas []*corev1.ResourceQuota
	for i := range rapid.IntRange(0, 2).Draw(t, "quotas") {
		q := quota(fmt.Sprint("q", i), "", "-")
		q.Spec.Hard = drawList(t, "hard", names...)
		if rapid.IntRange(0, 4).Draw(t, "status") > 0 {
			q.Status.Hard, q.Status.Used = q.Spec.Hard, corev1.ResourceList{}
			for name := range q.Spec.Hard {
				q.Status.Used[name] = resource.MustParse(rapid.SampledFrom(amounts).Draw(t, "used"))
			}
		}
		q.Spec.Scopes = rapid.SliceOfN(rapid.SampledFrom([]corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeNotBestEffort, corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopePriorityClass}), 0, 1).Draw(t, "scopes")
		quotas = append(quotas, q)
	}
	return quotas
}

func drawWishes(t *rapid.T, p Pod) []Proposal {
	var all []Proposal
	for _, c := range p.Containers {
		for _, f := range fields {
			if rapid.IntRange(0, 2).Draw(t, "wish") > 0 {
				all = append(all, Proposal{c.Name, f, resource.MustParse(rapid.SampledFrom(amounts).Draw(t, "value"))})
			}
		}
	}
	return all
}

// inEveryOrder applies the LimitRanges one after another, in every order.
func inEveryOrder(p Pod, ranges []*corev1.LimitRange, each func(Pod)) {
	if len(ranges) == 0 {
		each(APIDefaults(p))
		return
	}
	var indices []int
	for i := range ranges {
		indices = append(indices, i)
	}
	for order := range permutations(indices) {
		q := patched(APIDefaults(p), nil)
		for _, i := range order {
			requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
			for _, it := range ranges[i].Spec.Limits {
				if it.Type == corev1.LimitTypeContainer {
					it = defaultItem(it)
					maps.Copy(requests, it.DefaultRequest)
					maps.Copy(limits, it.Default)
				}
			}
			for j := range q.Containers {
				r := &q.Containers[j].Resources
				for name, v := range requests {
					if !(Field{true, name}).isSet(r) {
						put(r, Field{true, name}, v)
					}
				}
				for name, v := range limits {
					if !(Field{false, name}).isSet(r) {
						put(r, Field{false, name}, v)
					}
				}
			}
		}
		each(q)
	}
}

// text formats Pods so that equal values are the same: 1Gi and 1024Mi, or 1 and 1.000.
func text(p Pod) string {
	var s string
	for _, c := range p.Containers {
		s += c.Name
		for _, l := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits} {
			for _, name := range slices.Sorted(maps.Keys(l)) {
				q := l[name]
				s += fmt.Sprint(" ", name, "=", number(q.AsDec().String()))
			}
			s += ";"
		}
	}
	return s
}

func TestPredictIsEveryOrder(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		p, ranges := drawPod(t), drawRanges(t)
		before := snapshot(t, p, ranges)
		prediction := Predict(p, ranges)
		want, got := map[string]bool{}, map[string]bool{}
		refused, orders := map[refusalKey]int{}, 0
		inEveryOrder(p, ranges, func(q Pod) {
			orders++
			want[text(q)] = true
			for key := range refusalsOf(Predict(q, ranges).Refusals()) {
				refused[key]++
			}
		})
		for _, o := range prediction.Outcomes {
			if got[text(o.Pod)] {
				t.Fatal("the same outcome twice")
			}
			got[text(o.Pod)] = true
			for i, c := range o.Pod.Containers {
				for _, f := range fields {
					if f.isSet(&c.Resources) != f.isSet(&prediction.Outcomes[0].Pod.Containers[i].Resources) {
						t.Fatalf("whether %s is set depends on the order", f)
					}
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		certain := refusalsOf(prediction.Refusals())
		if len(certain) != len(refused) {
			t.Fatalf("%v, want %v", certain, refused)
		}
		for key, n := range refused {
			if c, ok := certain[key]; !ok || c != (n == orders) {
				t.Fatalf("%v is certain: %t, in %d of %d orders", key, c, n, orders)
			}
		}
		slices.Reverse(ranges)
		if diff := cmp.Diff(prediction, Predict(p, ranges), cmpopts.IgnoreUnexported(Prediction{})); diff != "" {
			t.Fatalf("listed in another order: %s", diff)
		}
		slices.Reverse(ranges)
		if diff := cmp.Diff(before, snapshot(t, p, ranges)); diff != "" {
			t.Fatalf("what was passed in changed: %s", diff)
		}
	})
}

func snapshot(t *rapid.T, all ...any) string {
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func refusalsOf(all []decision.Refusal) map[refusalKey]bool {
	m := map[refusalKey]bool{}
	for _, r := range all {
		m[keyOf(r)] = r.Certain
	}
	return m
}

func TestFitKeepsItsPromises(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		p, ranges, quotas := drawPod(t), drawRanges(t), drawQuotas(t)
		wishes := drawWishes(t, p)
		before := snapshot(t, p, ranges, quotas)
		fills, unfilled := Fit(p, wishes, ranges, quotas)
		if diff := cmp.Diff(before, snapshot(t, p, ranges, quotas)); diff != "" {
			t.Fatalf("what was passed in changed: %s", diff)
		}
		everyWishIsAnswered(t, p, wishes, fills, unfilled, ranges)
		inEveryOrder(p, ranges, func(q Pod) {
			secondFitDoesNothing(t, q, wishes, ranges, quotas)
			after := patched(q, fills)
			was, is := Predict(q, ranges), Predict(after, ranges)
			known := refusalsOf(was.Refusals())
			for key := range refusalsOf(is.Refusals()) {
				if _, ok := known[key]; !ok {
					t.Fatalf("fills %v add %v", showFills(fills), key)
				}
			}
			for _, fault := range is.Outcomes[0].Invalid {
				if !slices.Contains(was.Outcomes[0].Invalid, fault) {
					t.Fatalf("fills %v: %s", showFills(fills), fault)
				}
			}
			for _, quota := range quotas {
				j, k := predictQuota(quota, &was.Outcomes[0].Pod), predictQuota(quota, &is.Outcomes[0].Pod)
				if (!j.applies || j.refusal == "") && k.applies && k.refusal != "" {
					t.Fatalf("fills %v: %s", showFills(fills), k.refusal)
				}
			}
		})
	})
}

// secondFitDoesNothing checks that Fit changes nothing in a filled Pod, after LimitRanger has processed it.
func secondFitDoesNothing(t *rapid.T, q Pod, wishes []Proposal, ranges []*corev1.LimitRange, quotas []*corev1.ResourceQuota) {
	fills, unfilled := Fit(q, wishes, ranges, quotas)
	again, still := Fit(patched(q, fills), wishes, ranges, quotas)
	if len(again) != 0 {
		t.Fatalf("a second time: %v after %v", showFills(again), showFills(fills))
	}
	for _, u := range still {
		if !slices.ContainsFunc(unfilled, func(v Unfilled) bool { return v.Container == u.Container && v.Field == u.Field }) {
			t.Fatalf("a second time also: %v", showUnfilled(still))
		}
	}
}

// everyWishIsAnswered checks that each proposal is filled, reported, or ignored because there is a value.
func everyWishIsAnswered(t *rapid.T, p Pod, wishes []Proposal, fills []Fill, unfilled []Unfilled, ranges []*corev1.LimitRange) {
	stored := Predict(p, ranges)
	for _, w := range wishes {
		isFilled := slices.ContainsFunc(fills, func(f Fill) bool { return f.Container == w.Container && f.Field == w.Field })
		isReported := slices.ContainsFunc(unfilled, func(u Unfilled) bool { return u.Container == w.Container && u.Field == w.Field })
		i := slices.IndexFunc(p.Containers, func(c Container) bool { return c.Name == w.Container })
		set := p.setsAtPodLevel(w.Field.Resource)
		for _, o := range stored.Outcomes {
			set = set || w.Field.isSet(&o.Pod.Containers[i].Resources)
		}
		if isFilled && isReported || (isFilled || isReported) == set {
			t.Fatalf("%s %s: set %t, filled %t, reported %t", w.Container, w.Field, set, isFilled, isReported)
		}
	}
	for _, f := range fills {
		if !slices.ContainsFunc(wishes, func(w Proposal) bool { return f.Container == w.Container && f.Field == w.Field }) {
			t.Fatalf("nobody wished for %s %s", f.Container, f.Field)
		}
	}
}

// A limit that is lowered to the ratio is the largest that the plugin's arithmetic admits, give or take a step,
// because its division is inexact.
func TestInRatio(t *testing.T) {
	property.Check(t, func(t *rapid.T) {
		whole := rapid.Bool().Draw(t, "whole")
		request := *resource.NewMilliQuantity(rapid.Int64Range(1, 1<<50).Draw(t, "request"), resource.DecimalSI)
		if whole {
			request = *resource.NewQuantity(rapid.Int64Range(1, 1<<42).Draw(t, "bytes"), resource.BinarySI)
		}
		ratio := *resource.NewMilliQuantity(rapid.Int64Range(1000, 5000).Draw(t, "ratio"), resource.DecimalSI)
		most := bound{kind: boundRatio, resource: corev1.ResourceCPU, value: ratio}
		refused := func(limit resource.Quantity) string {
			message, _ := most.refuse(&corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": request}, Limits: corev1.ResourceList{"cpu": limit}})
			return message
		}
		limit := inRatio(*resource.NewQuantity(9e13, request.Format), request, ratio, whole)
		if limit.Cmp(request) < 0 {
			t.Fatalf("%s is under the request %s", limit.String(), request.String())
		}
		if why := refused(limit); why != "" {
			t.Fatal(why)
		}
		steps := *resource.NewMilliQuantity(4, resource.DecimalSI)
		if whole {
			steps = *resource.NewQuantity(2, resource.DecimalSI)
		}
		limit.Add(steps)
		if refused(limit) == "" {
			t.Fatalf("%s would do too", limit.String())
		}
	})
}

func FuzzParseField(f *testing.F) {
	f.Add("resources.requests.cpu")
	f.Fuzz(func(t *testing.T, s string) {
		if field, err := ParseField(s); err == nil && field.String() != s {
			t.Errorf("%q became %q", s, field)
		}
	})
}
