package oracle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // the scheme that declarative validation uses
	k8sv1 "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	podregistry "k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/plugin/pkg/admission/limitranger"

	"taffrail.dev/test/podgen"
)

// The steps of a CREATE, all of them Kubernetes' own: decode, mutate and store.

var actions = limitranger.DefaultLimitRangerActions{}

// sent returns quantities as they arrive after serialization: 1.5Gi as 1536Mi, the same amount in another form.
// For amounts beyond int64, the form matters.
func sent(lists ...corev1.ResourceList) {
	for _, list := range lists {
		for name, q := range list {
			list[name] = resource.MustParse(q.String())
		}
	}
}

// decodeRanges returns what LimitRanger's informer holds.
func decodeRanges(ranges []*corev1.LimitRange) []*corev1.LimitRange {
	decoded := make([]*corev1.LimitRange, len(ranges))
	for i, r := range ranges {
		decoded[i] = r.DeepCopy()
		k8sv1.SetObjectDefaults_LimitRange(decoded[i])
	}
	return decoded
}

// accepted reports whether the API server would accept the LimitRange.
func accepted(decoded *corev1.LimitRange) bool {
	internal := &core.LimitRange{}
	if err := k8sv1.Convert_v1_LimitRange_To_core_LimitRange(decoded.DeepCopy(), internal, nil); err != nil {
		return false
	}
	internal.Namespace = metav1.NamespaceDefault
	return len(validation.ValidateLimitRange(internal)) == 0
}

// decode returns the Pod as admission receives it. It does not modify its argument.
func decode(pod *corev1.Pod) (*core.Pod, error) {
	pod = pod.DeepCopy()
	pod.Namespace = metav1.NamespaceDefault
	k8sv1.SetObjectDefaults_Pod(pod)
	internal := &core.Pod{}
	return internal, k8sv1.Convert_v1_Pod_To_core_Pod(pod, internal, nil)
}

// encode returns the Pod as a webhook receives it.
func encode(internal *core.Pod) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	if err := k8sv1.Convert_core_Pod_To_v1_Pod(internal.DeepCopy(), pod, nil); err != nil {
		return nil, err
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		sent(c.Resources.Requests, c.Resources.Limits)
	}
	if r := pod.Spec.Resources; r != nil {
		sent(r.Requests, r.Limits)
	}
	return pod, nil
}

// mutate runs LimitRanger's Admit with the LimitRanges in the given order.
func mutate(pod *core.Pod, ranges []*corev1.LimitRange, order []int) error {
	for _, i := range order {
		if err := actions.MutateLimit(ranges[i], "pods", pod); err != nil {
			return err
		}
	}
	return nil
}

// verdict is the result for a Pod after mutating admission.
type verdict struct {
	// stored has all defaults, including those at Pod level.
	stored *core.Pod
	// invalid has the validation errors of each container, or under "" those of the Pod as a whole. Validation
	// precedes LimitRanger's Validate.
	invalid map[string][]string
	// refused has the errors of each LimitRange. LimitRanger stops at the first one with an error, which may be
	// any of them, depending on the order.
	refused map[string][]podgen.Refused
}

func (v *verdict) admitted() bool { return len(v.invalid) == 0 && len(v.refused) == 0 }

func (v *verdict) String() string {
	return fmt.Sprintf("invalid %q, refused %v", v.invalid, v.refused)
}

// store runs the registry and validating admission.
func store(pod *core.Pod, ranges []*corev1.LimitRange) (*verdict, error) {
	ctx := genericapirequest.WithNamespace(context.Background(), metav1.NamespaceDefault)
	podregistry.Strategy.PrepareForCreate(ctx, pod)
	v := &verdict{stored: pod, invalid: map[string][]string{}, refused: map[string][]podgen.Refused{}}
	for _, err := range podregistry.Strategy.Validate(ctx, pod) {
		place, ok := placeOf(&pod.Spec, err.Field)
		if !ok {
			return nil, fmt.Errorf("the Pod is invalid beyond its resources: %w", err)
		}
		v.invalid[place] = append(v.invalid[place], err.Error())
	}
	for _, r := range ranges {
		found, err := refusedBy(actions.ValidateLimit(r, "pods", pod))
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			v.refused["LimitRange/"+r.Name] = found
		}
	}
	return v, nil
}

// placeOf returns the container that a validation path refers to.
func placeOf(spec *core.PodSpec, path string) (container string, ok bool) {
	for kind, list := range map[string][]core.Container{"containers": spec.Containers, "initContainers": spec.InitContainers} {
		for i, c := range list {
			for _, parent := range []string{"spec.", "spec.resources."} { // next to and within Pod-level limits
				if strings.HasPrefix(path, fmt.Sprintf("%s%s[%d]", parent, kind, i)) {
					return c.Name, true
				}
			}
		}
	}
	return "", strings.HasPrefix(path, "spec.resources")
}

// storeClaim is store for a PersistentVolumeClaim, which only LimitRanger checks.
func storeClaim(requests corev1.ResourceList, ranges []*corev1.LimitRange) (map[string][]podgen.Refused, error) {
	claim := &corev1.PersistentVolumeClaim{}
	claim.Spec.Resources.Requests = maps.Clone(requests)
	k8sv1.SetObjectDefaults_PersistentVolumeClaim(claim)
	internal := &core.PersistentVolumeClaim{}
	if err := k8sv1.Convert_v1_PersistentVolumeClaim_To_core_PersistentVolumeClaim(claim, internal, nil); err != nil {
		return nil, err
	}
	refused := map[string][]podgen.Refused{}
	for _, r := range ranges {
		found, err := refusedBy(actions.ValidateLimit(r, "persistentvolumeclaims", internal))
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			refused["LimitRange/"+r.Name] = found
		}
	}
	return refused, nil
}

// refusedBy parses LimitRanger's errors one by one. An unknown error fails.
func refusedBy(err error) ([]podgen.Refused, error) {
	if err == nil {
		return nil, nil
	}
	all := []error{err}
	if aggregate := utilerrors.Aggregate(nil); errors.As(err, &aggregate) {
		all = aggregate.Errors()
	}
	var found []podgen.Refused
	for _, one := range all {
		read := podgen.RefusedIn(one.Error())
		if len(read) != 1 {
			return nil, fmt.Errorf("these words of LimitRanger are not understood: %w", one)
		}
		found = append(found, read...)
	}
	podgen.SortRefused(found)
	return found, nil
}

// containers returns those with resources, init containers first, in the order of webhook/request.
func containers(spec *core.PodSpec) []core.Container {
	return slices.Concat(spec.InitContainers, spec.Containers)
}

// orders returns all orders of n LimitRanges.
func orders(n int) [][]int {
	all := [][]int{{}}
	for i := range n {
		var longer [][]int
		for _, order := range all {
			for at := range len(order) + 1 {
				longer = append(longer, slices.Insert(slices.Clone(order), at, i))
			}
		}
		all = longer
	}
	return all
}
