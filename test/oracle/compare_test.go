package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubernetes/pkg/apis/core"

	"taffrail.dev/test/podgen"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/resources"
)

// tally counts properties of the pairs: comparing Pods that are all similar, or all refused, would prove
// little.
type tally struct {
	pairs, orders, admitted, refused, invalid, dependent   int
	fills, unfilled, claims, claimsRefused, ranges, accept int
}

func (t *tally) add(o tally) {
	t.pairs += o.pairs
	t.orders += o.orders
	t.admitted += o.admitted
	t.refused += o.refused
	t.invalid += o.invalid
	t.dependent += o.dependent
	t.fills += o.fills
	t.unfilled += o.unfilled
	t.claims += o.claims
	t.claimsRefused += o.claimsRefused
	t.ranges += o.ranges
	t.accept += o.accept
}

func (t *tally) String() string {
	return fmt.Sprintf("%d pairs under %d orders: %d admitted, %d invalid, %d refused; of %d Pods the order decides; "+
		"%d values filled in, %d gaps reported; %d of %d claims refused; the API server would take %d of %d LimitRanges",
		t.pairs, t.orders, t.admitted, t.invalid, t.refused, t.dependent,
		t.fills, t.unfilled, t.claimsRefused, t.claims, t.accept, t.ranges)
}

// compare returns the first disagreement about a pair.
func compare(p podgen.Pair) (count tally, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	for _, r := range p.Ranges { // a webhook also reads them from an informer
		for _, it := range r.Spec.Limits {
			sent(it.Min, it.Max, it.Default, it.DefaultRequest, it.MaxLimitRequestRatio)
		}
	}
	ranges := decodeRanges(p.Ranges)
	count.pairs, count.claims, count.ranges = 1, 1, len(ranges)
	for _, r := range ranges {
		if accepted(r) {
			count.accept++
		}
	}
	if err := compareClaim(p, ranges, &count); err != nil {
		return count, fmt.Errorf("the claim: %w", err)
	}

	declared := declaredBy(p.Pod)
	wishes := wishesOf(p)
	template := fit(declared, wishes, p.Ranges)
	template.template = true
	prediction := resources.Predict(declared, p.Ranges)
	hit := map[int]bool{}
	byPod := map[string]bool{} // which orders produced which Pod
	for _, order := range orders(len(ranges)) {
		count.orders++
		admitting, err := decode(p.Pod)
		if err != nil {
			return count, err
		}
		if err := mutate(admitting, ranges, order); err != nil {
			return count, err
		}
		key := text(&admitting.Spec)
		if byPod[key] {
			continue
		}
		byPod[key] = true
		before, err := store(admitting.DeepCopy(), ranges)
		if err != nil {
			return count, err
		}
		switch {
		case before.admitted():
			count.admitted++
		case len(before.invalid) > 0:
			count.invalid++
		default:
			count.refused++
		}
		i, err := compareOutcome(before, prediction)
		if err != nil {
			return count, fmt.Errorf("LimitRanges in the order %v: %w", order, err)
		}
		hit[i] = true

		// The result of Fit for a template is valid under every order; its result at the webhook is for the Pod
		// that LimitRanger has processed.
		current := pod(admitting)
		webhook := fit(current, wishes, p.Ranges)
		for _, fitted := range []fitting{template, webhook} {
			if err := compareFit(fitted, p, admitting, before, ranges, order); err != nil {
				return count, fmt.Errorf("LimitRanges in the order %v: Fit (of the template: %t): %w", order, fitted.template, err)
			}
		}
		count.fills += len(webhook.fills)
		count.unfilled += len(webhook.unfilled)
	}
	for i, o := range prediction.Outcomes {
		if !hit[i] {
			return count, fmt.Errorf("no order leads to the predicted outcome %d: %s", i, outcomeText(&o))
		}
	}
	if len(prediction.Outcomes) > 1 {
		count.dependent++
	}
	return count, compareCertain(prediction)
}

// compareOutcome finds the outcome that equals the stored Pod, and compares the verdict.
func compareOutcome(got *verdict, prediction resources.Prediction) (int, error) {
	stored := text(&got.stored.Spec)
	at := slices.IndexFunc(prediction.Outcomes, func(o resources.Outcome) bool { return outcomeText(&o) == stored })
	if at < 0 {
		var predicted []string
		for _, o := range prediction.Outcomes {
			predicted = append(predicted, outcomeText(&o))
		}
		return 0, fmt.Errorf("stored is\n\t%s\npredicted is\n\t%s", stored, strings.Join(predicted, "\n\t"))
	}
	o := &prediction.Outcomes[at]
	places := map[string]bool{}
	for _, fault := range o.Invalid {
		places[fault.Container] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(got.invalid)), slices.Sorted(maps.Keys(places))); diff != "" {
		return at, fmt.Errorf("invalid: validation says %q, predicted is %q", got.invalid, o.Invalid)
	}
	predicted := map[string][]podgen.Refused{}
	for _, r := range o.Refusals {
		predicted[r.By] = append(predicted[r.By], podgen.RefusedBy(r))
	}
	for _, list := range predicted {
		podgen.SortRefused(list)
	}
	if diff := cmp.Diff(got.refused, predicted); diff != "" {
		return at, fmt.Errorf("refusals (-LimitRanger +predicted):\n%s", diff)
	}
	return at, nil
}

// compareCertain checks that Certain refusals occur in every outcome.
func compareCertain(p resources.Prediction) error {
	in := func(o resources.Outcome, want decision.Refusal) bool {
		return slices.ContainsFunc(o.Refusals, func(r decision.Refusal) bool {
			return r.By == want.By && r.Container == want.Container && r.Resource == want.Resource && r.Bound == want.Bound
		})
	}
	for _, r := range p.Refusals() {
		everywhere := !slices.ContainsFunc(p.Outcomes, func(o resources.Outcome) bool { return !in(o, r) })
		if everywhere != r.Certain {
			return fmt.Errorf("certain is %t, in every outcome is %t: %+v", r.Certain, everywhere, r)
		}
	}
	return nil
}

func compareClaim(p podgen.Pair, ranges []*corev1.LimitRange, count *tally) error {
	got, err := storeClaim(p.Claim, ranges)
	if err != nil {
		return err
	}
	predicted := map[string][]podgen.Refused{}
	for _, r := range resources.ClaimRefusals(p.Claim, p.Ranges) {
		predicted[r.By] = append(predicted[r.By], podgen.RefusedClaim(r))
	}
	for _, list := range predicted {
		podgen.SortRefused(list)
	}
	if len(got) > 0 {
		count.claimsRefused++
	}
	if diff := cmp.Diff(got, predicted); diff != "" {
		return fmt.Errorf("refusals (-LimitRanger +predicted):\n%s", diff)
	}
	return nil
}

// declaredBy returns the Pod as its writer, or a template, declares it.
func declaredBy(p *corev1.Pod) resources.Pod {
	declared := resources.Pod{Resources: p.Spec.Resources, Overhead: p.Spec.Overhead}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		kind := decision.ContainerApp
		switch {
		case c.RestartPolicy != nil:
			kind = decision.ContainerSidecar
		case slices.ContainsFunc(p.Spec.InitContainers, func(i corev1.Container) bool { return i.Name == c.Name }):
			kind = decision.ContainerInit
		}
		declared.Containers = append(declared.Containers, resources.Container{Name: c.Name, Type: kind, Resources: c.Resources})
	}
	return declared
}

// pod returns the Pod as a webhook reads it.
func pod(internal *core.Pod) resources.Pod {
	p, err := encode(internal)
	if err != nil {
		panic(err)
	}
	return declaredBy(p)
}

// text formats Pods so that equal values are the same: 1Gi and 1024Mi.
func text(spec *core.PodSpec) string {
	var b strings.Builder
	for _, c := range containers(spec) {
		listText(&b, c.Name, c.Resources.Requests, c.Resources.Limits)
	}
	if spec.Resources != nil {
		listText(&b, "Pod", spec.Resources.Requests, spec.Resources.Limits)
	}
	return b.String()
}

func outcomeText(o *resources.Outcome) string {
	var b strings.Builder
	for _, c := range o.Pod.Containers {
		listText(&b, c.Name, c.Resources.Requests, c.Resources.Limits)
	}
	if r := o.Pod.Resources; r != nil {
		listText(&b, "Pod", r.Requests, r.Limits)
	}
	return b.String()
}

func listText[K ~string](b *strings.Builder, name string, lists ...map[K]resource.Quantity) {
	b.WriteString(name)
	for _, list := range lists {
		b.WriteString(" |")
		for _, key := range slices.Sorted(maps.Keys(list)) {
			q := list[key]
			value := q.AsDec().String()
			if strings.Contains(value, ".") {
				value = strings.TrimRight(strings.TrimRight(value, "0"), ".")
			}
			b.WriteString(" " + string(key) + "=" + value)
		}
	}
	b.WriteString("; ")
}
