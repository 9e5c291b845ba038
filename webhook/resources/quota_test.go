package resources

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/decision"
)

// Every name of a quota for Pods, and some for other objects.
func TestWhatAQuotaCountsOfAPod(t *testing.T) {
	p := pod(app("a", "cpu=1 memory=1Gi ephemeral-storage=3Gi hugepages-2Mi=4Mi example.com/gpu=5 | cpu=2 memory=2Gi ephemeral-storage=4Gi hugepages-2Mi=4Mi example.com/gpu=5"))
	for name, want := range map[corev1.ResourceName]string{
		"cpu": "1", "requests.cpu": "1", "limits.cpu": "2", "memory": "1Gi", "requests.memory": "1Gi", "limits.memory": "2Gi",
		"ephemeral-storage": "3Gi", "requests.ephemeral-storage": "3Gi", "limits.ephemeral-storage": "4Gi",
		"hugepages-2Mi": "4Mi", "requests.hugepages-2Mi": "4Mi", "requests.example.com/gpu": "5", "pods": "1", "count/pods": "1",
		"limits.hugepages-2Mi": "", "example.com/gpu": "", "limits.example.com/gpu": "", "requests.limits.cpu": "", "services": "", "count/services": "",
		"requests.storage": "", "persistentvolumeclaims": "", "requests.pods": "",
	} {
		usage, tracked := podUsage(&p, corev1.ResourceList{name: {}})
		amount := usage[name]
		if want == "" {
			if len(usage)+len(tracked) > 0 {
				t.Errorf("%s: got %s", name, showList(usage))
			}
			continue
		}
		if len(usage) != 1 || amount.String() != want || len(tracked) != 1 || tracked[0] != name {
			t.Errorf("%s: got %s, of %s", name, showList(usage), tracked)
		}
	}
}

// The totals of a Pod are those of its containers, or its Pod-level ones, plus the overhead.
func TestHowMuchAPodTakes(t *testing.T) {
	overhead := func(p Pod, s string) Pod {
		p.Overhead = list(s)
		return p
	}
	hard := list("requests.cpu=1 limits.cpu=1 requests.memory=1 limits.memory=1 requests.ephemeral-storage=1 limits.ephemeral-storage=1")
	sidecar, initial := decision.ContainerSidecar, decision.ContainerInit
	for name, c := range map[string]struct {
		pod              Pod
		requests, limits string // of CPU, memory and ephemeral storage
	}{
		"none":                             {pod(app("a", "")), "0 0 0", "0 0 0"},
		"two containers":                   {pod(app("a", "cpu=1 memory=1 | cpu=3"), app("b", "cpu=2 | cpu=4 memory=5")), "3 1 0", "7 5 0"},
		"the Pod's own instead":            {withPodLevel(pod(app("a", "cpu=1 memory=1 | cpu=3 memory=3")), "cpu=5 | cpu=6"), "5 1 0", "6 3 0"},
		"of its own memory alone":          {withPodLevel(pod(app("a", "cpu=1 memory=1 | cpu=3 memory=3")), "memory=5 | memory=6"), "1 5 0", "3 6 0"},
		"a Pod has no storage of its own":  {withPodLevel(pod(app("a", "ephemeral-storage=1 | ephemeral-storage=2")), "ephemeral-storage=5 | ephemeral-storage=6"), "0 0 1", "0 0 2"},
		"overhead":                         {overhead(pod(app("a", "cpu=1 | cpu=3")), "cpu=1 memory=2"), "2 2 0", "4 0 0"},
		"overhead, and a limit of nothing": {overhead(pod(app("a", " | cpu=0 memory=1")), "cpu=1 memory=2"), "1 2 0", "0 3 0"},
		"overhead on the Pod's own":        {overhead(withPodLevel(pod(app("a", "")), "cpu=5 | cpu=6"), "cpu=1"), "6 0 0", "7 0 0"},
		"an init container that is less":   {pod(of(app("i", "cpu=1"), initial), app("a", "cpu=2")), "2 0 0", "0 0 0"},
		"an init container that is more":   {pod(of(app("i", "cpu=3"), initial), app("a", "cpu=2")), "3 0 0", "0 0 0"},
		"the largest of init containers":   {pod(of(app("i", "cpu=3"), initial), of(app("j", "cpu=4 memory=1"), initial), of(app("k", "cpu=3"), initial), app("a", "cpu=2")), "4 1 0", "0 0 0"},
		"a sidecar":                        {pod(of(app("s", "cpu=1"), sidecar), app("a", "cpu=2")), "3 0 0", "0 0 0"},
		"an init container after a sidecar": {
			pod(of(app("s", "cpu=1"), sidecar), of(app("i", "cpu=3"), initial), app("a", "cpu=2")), "4 0 0", "0 0 0",
		},
		"an init container before a sidecar": {
			pod(of(app("i", "cpu=3"), initial), of(app("s", "cpu=1"), sidecar), app("a", "cpu=1")), "3 0 0", "0 0 0",
		},
		"an init container between sidecars": {
			pod(of(app("s", "cpu=1"), sidecar), of(app("i", "cpu=9"), initial), of(app("t", "cpu=2"), sidecar), of(app("j", "cpu=8"), initial), app("a", "cpu=1")), "11 0 0", "0 0 0",
		},
	} {
		usage, _ := podUsage(&c.pod, hard)
		of := func(prefix string) string {
			var all []string
			for _, name := range []string{"cpu", "memory", "ephemeral-storage"} {
				q := usage[corev1.ResourceName(prefix+name)]
				all = append(all, q.String())
			}
			return strings.Join(all, " ")
		}
		if requests, limits := of("requests."), of("limits."); requests != c.requests || limits != c.limits {
			t.Errorf("%s: got requests %s and limits %s", name, requests, limits)
		}
	}
}

func TestWhatAQuotaMakesOfAPod(t *testing.T) {
	for name, c := range map[string]struct {
		quota    *corev1.ResourceQuota
		pod      Pod
		applies  bool
		refusal  string
		resource corev1.ResourceName
	}{
		"about other things":       {quota("q", "services=1", "services=9"), pod(app("a", "")), false, "", ""},
		"about other Pods":         {quota("q", "pods=1", "pods=9", corev1.ResourceQuotaScopeNotBestEffort), pod(app("a", "")), false, "", ""},
		"about the others":         {quota("q", "pods=1", "pods=9", corev1.ResourceQuotaScopeBestEffort), pod(app("a", "cpu=1")), false, "", ""},
		"there is room":            {quota("q", "pods=2", "pods=1"), pod(app("a", "")), true, "", ""},
		"there is none":            {quota("q", "pods=2", "pods=2"), pod(app("a", "")), true, "pods would exceed the maximum of 2: 2 in use, 1 more needed", ""},
		"to the last":              {quota("q", "requests.cpu=2", "requests.cpu=1"), pod(app("a", "cpu=1")), true, "", ""},
		"a little too much":        {quota("q", "requests.cpu=2", "requests.cpu=1"), pod(app("a", "cpu=1001m")), true, "requests.cpu would exceed the maximum of 2: 1 in use, 1001m more needed", "cpu"},
		"of what it takes none of": {quota("q", "requests.ephemeral-storage=1", "requests.ephemeral-storage=9"), pod(app("a", "")), true, "", ""},
		"a value is wanting":       {quota("q", "limits.memory=2", "limits.memory=1"), pod(app("a", "memory=1 | memory=1"), app("b", "memory=1")), true, `it requires limits.memory, which container "b" does not set`, "memory"},
		"storage is not":           {quota("q", "limits.ephemeral-storage=2", "limits.ephemeral-storage=1"), pod(app("a", "")), true, "", ""},
		"the Pod has its own":      {quota("q", "limits.memory=2", "limits.memory=1"), withPodLevel(pod(app("a", "")), "cpu=1"), true, "", ""},
		"no status":                {quota("q", "pods=2", "-"), pod(app("a", "")), true, "", ""},
		"no status, and a value":   {quota("q", "requests.cpu=2", "-"), pod(app("a", "")), true, `it requires requests.cpu, which container "a" does not set`, "cpu"},
		"what is used is unknown":  {quota("q", "requests.cpu=2 limits.cpu=2", "requests.cpu=0"), pod(app("a", "cpu=1 | cpu=1")), true, "the current usage of limits.cpu is not known yet", "cpu"},
	} {
		got := predictQuota(c.quota, &c.pod)
		if got.applies != c.applies || got.refusal != c.refusal || got.resource != c.resource || c.applies == (got.usage == nil) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
