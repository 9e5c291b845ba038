package controller

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// fillCount counts Pods that lack values that an injection would set.
type fillCount struct {
	pods, left, other int64
	workloads         map[workload]*v1alpha1.WouldFillWorkload
}

// workload identifies the workload of Pods.
type workload struct{ namespace, name string }

// filled counts a Pod for each Guardrail that would inject into it under enforce, or that exempts it.
func (t *wouldDenyCounter) filled(by *config.Snapshot, r *decision.Request, d *decision.Decision) {
	if r.Workload == nil || r.Workload.Template || r.Subresource != "" {
		return
	}
	fields := map[string][]string{} // by Guardrail
	left := map[string]bool{}
	for i := range d.Fills {
		f := &d.Fills[i]
		if f.Mode == decision.ModeEnforce {
			continue
		}
		for _, guardrail := range f.Guardrails {
			fields[guardrail] = append(fields[guardrail], f.Container+": "+strings.TrimPrefix(f.Field, "resources.")+"="+f.Value)
			left[guardrail] = left[guardrail] || f.SkipReason != ""
		}
	}
	if len(fields) == 0 {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	versions := by.Versions()
	for guardrail, fields := range fields {
		version, known := versions[guardrail]
		if !known {
			continue
		}
		if c := t.of(guardrail, version); c != nil {
			one := v1alpha1.WouldFillWorkload{
				Namespace: r.Namespace.Name, Workload: decision.Line(workloadOf(r), maxName),
				Last: decision.Line(strings.Join(fields, ", "), maxName), LastTime: metav1.NewTime(t.now()),
			}
			if left[guardrail] {
				one.Left = 1
			} else {
				one.Pods = 1
			}
			c.fills.add(one)
		}
	}
}

func (c *fillCount) add(one v1alpha1.WouldFillWorkload) {
	c.pods += one.Pods
	c.left += one.Left
	if c.workloads == nil {
		c.workloads = map[workload]*v1alpha1.WouldFillWorkload{}
	}
	key := workload{one.Namespace, one.Workload}
	switch have := c.workloads[key]; {
	case have != nil:
		addFill(have, &one)
	case len(c.workloads) == maxCounted:
		c.other += one.Pods + one.Left
	default:
		c.workloads[key] = &one
	}
}

func addFill(to, more *v1alpha1.WouldFillWorkload) {
	to.Pods += more.Pods
	to.Left += more.Left
	if to.LastTime.Before(&more.LastTime) {
		to.Last, to.LastTime = more.Last, more.LastTime
	}
}

func (c *fillCount) merge(earlier *fillCount) {
	pods, left := earlier.pods, earlier.left
	for _, one := range earlier.workloads {
		c.add(*one)
		pods -= one.Pods
		left -= one.Left
	}
	c.pods += pods
	c.left += left
	c.other += earlier.other
}

// runOfCronJob matches the suffix that the CronJob controller gives to a Job's name: minutes since 1970.
var runOfCronJob = regexp.MustCompile(`-\d{8}$`)

// workloadOf returns the Deployment of a ReplicaSet or the CronJob of a Job, derived from the names that their
// controllers generate. ReplicaSets and Jobs themselves would be too many to list.
func workloadOf(r *decision.Request) string {
	owner := request.Controller(r.Object)
	if owner.Kind == "" {
		return "Pod " + r.DisplayName()
	}
	switch owner.Kind {
	case "ReplicaSet":
		hash, _, _ := unstructured.NestedString(r.Object, "metadata", "labels", "pod-template-hash")
		if name, made := strings.CutSuffix(owner.Name, "-"+hash); made && hash != "" {
			return "Deployment " + name
		}
	case "Job":
		if name := runOfCronJob.ReplaceAllString(owner.Name, ""); name != owner.Name {
			return "CronJob " + name
		}
	}
	return owner.Kind + " " + owner.Name
}

// addFills adds to the stored count. It returns false if there is nothing to add.
func addFills(status *v1alpha1.GuardrailStatus, counted *count) bool {
	to, more := status.WouldFill, &counted.fills
	switch {
	case to == nil || to.Generation < counted.version.Generation:
		to = &v1alpha1.WouldFill{Since: metav1.NewTime(counted.since), Generation: counted.version.Generation}
	case to.Generation > counted.version.Generation || more.pods+more.left == 0:
		return false
	}
	all := make(map[workload]*v1alpha1.WouldFillWorkload, len(to.Workloads)+len(more.workloads))
	for i := range to.Workloads {
		all[workload{to.Workloads[i].Namespace, to.Workloads[i].Workload}] = to.Workloads[i].DeepCopy()
	}
	for key, one := range more.workloads {
		if have := all[key]; have != nil {
			addFill(have, one)
			continue
		}
		all[key] = one.DeepCopy()
	}
	to.Pods += more.pods
	to.Left += more.left
	to.OtherPods += more.other
	to.Workloads = nil
	for _, one := range slices.SortedFunc(maps.Values(all), morePods) {
		if len(to.Workloads) == maxListed {
			to.OtherPods += one.Pods + one.Left
			continue
		}
		to.Workloads = append(to.Workloads, *one)
	}
	status.WouldFill = to
	return true
}

func morePods(a, b *v1alpha1.WouldFillWorkload) int {
	return cmp.Or(cmp.Compare(b.Pods+b.Left, a.Pods+a.Left), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Workload, b.Workload))
}
