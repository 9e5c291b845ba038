// Package podgen generates Pods, PersistentVolumeClaims and the LimitRanges of a namespace, for the tests that
// compare predictions with Kubernetes.
package podgen

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Source provides the randomness: a *rand.Rand of math/rand/v2, or rapid's. Smaller numbers yield simpler
// objects.
type Source interface {
	// IntN returns a number from 0 to n-1.
	IntN(n int) int
}

// Pair has the LimitRanges of a namespace, and what is created in it.
type Pair struct {
	Ranges []*corev1.LimitRange `json:"limitRanges,omitempty"`
	Pod    *corev1.Pod          `json:"pod"`
	// Wishes are proposed values for the gaps of each container, by its name.
	Wishes map[string]corev1.ResourceRequirements `json:"wishes,omitempty"`
	// Claim has the requests of a PersistentVolumeClaim.
	Claim corev1.ResourceList `json:"claim,omitempty"`
}

// NewPair returns a Pair with up to three LimitRanges.
func NewPair(s Source) Pair {
	pod := Pod(s)
	return Pair{Ranges: Ranges(s, 3), Pod: pod, Wishes: Wishes(s, pod), Claim: Claim(s)}
}

const (
	hugePages = corev1.ResourceHugePagesPrefix + "2Mi"
	extended  = "example.com/gpu"
)

// computes lists the resources that LimitRanges apply to. All are equally likely, so that bounds and values
// often coincide.
var computes = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}

// amounts lists amounts of each resource in ascending order. They are few, so that equal ones often coincide.
var amounts = map[corev1.ResourceName][]string{
	corev1.ResourceCPU:              {"0", "100u", "1m", "50m", "100m", "150m", "333m", "500m", "1", "1500m", "2", "3", "7", "10k"},
	corev1.ResourceMemory:           {"0", "1", "1500m", "100M", "128Mi", "256Mi", "1Gi", "1.5Gi", "2Gi", "3Gi", "7Gi", "10P"},
	corev1.ResourceEphemeralStorage: {"0", "1Ki", "100M", "128Mi", "1Gi", "2Gi", "3Gi", "1Ti"},
	corev1.ResourceStorage:          {"1", "1500m", "1Gi", "5Gi", "5G", "10Gi", "1Ti", "10P"},
	hugePages:                       {"0", "2Mi", "4Mi", "6Mi", "1Gi"},
	extended:                        {"0", "1", "2", "4"},
}

// odd lists amounts that nobody means to write. None exceeds int64, because Kubernetes' results for those
// cannot be predicted: whether 12E counts as 0 or as less depends on how another amount was written, and on
// whether a webhook has patched the Pod.
var odd = []string{"-1", "1n", "999999999n", "0.1", "3Mi", "9e15", "9223372036854775807m", "9223372036854775807", "8Ei"}

// ratios lists values of maxLimitRequestRatio.
var ratios = []string{"1", "1500m", "2", "3333m", "10", "1.0001", "10P"}

// one returns true once in n times.
func one(s Source, n int) bool { return s.IntN(n) == n-1 }

// amount returns one of the listed amounts, from first up to but excluding last.
func amount(s Source, name corev1.ResourceName, first, last int) (q resource.Quantity, index int) {
	index = first + s.IntN(last-first)
	q = resource.MustParse(amounts[name][index])
	switch kind := s.IntN(100); {
	case kind == 99:
		q = resource.MustParse(odd[s.IntN(len(odd))])
	case kind > 89 && slices.Contains(computes, name):
		// An amount between two listed ones, for which ratios are less even.
		more := resource.NewMilliQuantity(int64(s.IntN(100_000)), resource.DecimalSI)
		if name != corev1.ResourceCPU {
			more = resource.NewQuantity(int64(s.IntN(100_000_000)), resource.BinarySI)
		}
		q.Add(*more)
	}
	return q, index
}

func anyAmount(s Source, name corev1.ResourceName) resource.Quantity {
	q, _ := amount(s, name, 0, len(amounts[name]))
	return q
}

// Pod returns a Pod with up to three app containers and up to two init containers. It is valid except for the
// values of its resources.
func Pod(s Source) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "drawn"}}
	for i := range 1 + s.IntN(3) {
		pod.Spec.Containers = append(pod.Spec.Containers, container(s, fmt.Sprint("app", i)))
	}
	for i := range max(0, s.IntN(4)-1) {
		c := container(s, fmt.Sprint("init", i))
		if s.IntN(2) == 1 {
			always := corev1.ContainerRestartPolicyAlways
			c.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	if one(s, 5) {
		r := requirements(s, []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}, 9)
		if one(s, 4) {
			add(s, &r, hugePages, 0)
		}
		pod.Spec.Resources = &r
	}
	if one(s, 8) {
		pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	}
	return pod
}

func container(s Source, name string) corev1.Container {
	c := corev1.Container{Name: name, Image: "registry.example/app:1.0.0", Resources: requirements(s, computes, 0)}
	if one(s, 12) {
		add(s, &c.Resources, hugePages, 0)
	}
	if one(s, 12) {
		add(s, &c.Resources, extended, 0)
	}
	return c
}

// requirements returns the request, the limit or both for some of the resources.
func requirements(s Source, names []corev1.ResourceName, low int) corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{}
	for _, name := range names {
		if s.IntN(2) == 1 {
			add(s, &r, name, low)
		}
	}
	return r
}

// add usually sets a limit that is not less than the request, and an equal one for resources that cannot be
// overcommitted.
func add(s Source, r *corev1.ResourceRequirements, name corev1.ResourceName, low int) {
	what, all := s.IntN(8), len(amounts[name])
	request, index := amount(s, name, min(low, all-1), all)
	limit, wild, equal := request, one(s, 25), name == hugePages || name == extended
	switch {
	case wild:
		limit = anyAmount(s, name)
	case equal:
		what = 2 + what%4 // both
	default:
		limit, _ = amount(s, name, index, all)
	}
	if what < 6 {
		put(&r.Requests, name, request)
	}
	if what > 1 {
		put(&r.Limits, name, limit)
	}
}

func put(list *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = q
}

// Ranges returns up to most LimitRanges. The API server would accept most of them.
func Ranges(s Source, most int) []*corev1.LimitRange {
	var ranges []*corev1.LimitRange
	for i := range min(most, (s.IntN(2*most+2)+1)/2) {
		r := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("limits", i)}}
		types := []corev1.LimitType{corev1.LimitTypeContainer, corev1.LimitTypePod, corev1.LimitTypePersistentVolumeClaim}
		for _, t := range types {
			if s.IntN(2) == 1 {
				r.Spec.Limits = append(r.Spec.Limits, item(s, t))
			}
		}
		if one(s, 30) {
			// The API server rejects two items of the same type, but a file may contain them.
			r.Spec.Limits = append(r.Spec.Limits, item(s, types[s.IntN(len(types))]))
		}
		if s.IntN(2) == 1 {
			slices.Reverse(r.Spec.Limits)
		}
		ranges = append(ranges, r)
	}
	return ranges
}

func item(s Source, t corev1.LimitType) corev1.LimitRangeItem {
	it := corev1.LimitRangeItem{Type: t}
	if t == corev1.LimitTypePersistentVolumeClaim {
		bound(s, &it, corev1.ResourceStorage, 2)
		if one(s, 20) {
			bound(s, &it, corev1.ResourceMemory, 2)
		}
		return it
	}
	for _, name := range computes {
		if s.IntN(5) > 1 {
			bound(s, &it, name, 4)
		}
	}
	if one(s, 20) {
		bound(s, &it, hugePages, 4)
	}
	if one(s, 20) {
		bound(s, &it, extended, 4)
	}
	return it
}

// bound sets each of min, defaultRequest, default and max once in n times, usually in ascending order and with
// a wide range, so that some Pods are admitted.
func bound(s Source, it *corev1.LimitRangeItem, name corev1.ResourceName, n int) {
	half, all := len(amounts[name])/2, len(amounts[name])
	ordered, low := !one(s, 12), 0
	next := func(list *corev1.ResourceList, first, last int) {
		if !one(s, n) {
			return
		}
		if !ordered {
			low, first, last = 0, 0, all
		}
		q, index := amount(s, name, max(low, first), last)
		low = index
		put(list, name, q)
	}
	next(&it.Min, 0, half)
	if it.Type == corev1.LimitTypeContainer {
		next(&it.DefaultRequest, 0, all)
		next(&it.Default, 0, all)
	}
	next(&it.Max, half, all)
	_, hasMin := it.Min[name]
	_, hasMax := it.Max[name]
	if (!hasMin || !hasMax || one(s, 12)) && one(s, 4) {
		put(&it.MaxLimitRequestRatio, name, resource.MustParse(ratios[s.IntN(len(ratios))]))
	}
}

// Wishes returns proposals for every container of the Pod, most of them for all of its gaps.
func Wishes(s Source, pod *corev1.Pod) map[string]corev1.ResourceRequirements {
	wishes := map[string]corev1.ResourceRequirements{}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		r := corev1.ResourceRequirements{}
		for _, name := range computes {
			for _, list := range []*corev1.ResourceList{&r.Requests, &r.Limits} {
				if s.IntN(3) > 0 {
					put(list, name, anyAmount(s, name))
				}
			}
		}
		if one(s, 50) {
			put(&r.Limits, extended, anyAmount(s, extended))
		}
		wishes[c.Name] = r
	}
	return wishes
}

// Claim nearly always requests storage.
func Claim(s Source) corev1.ResourceList {
	claim := corev1.ResourceList{}
	if !one(s, 20) {
		claim[corev1.ResourceStorage] = anyAmount(s, corev1.ResourceStorage)
	}
	if one(s, 20) {
		claim[corev1.ResourceMemory] = anyAmount(s, corev1.ResourceMemory)
	}
	return claim
}
