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
	_ "k8s.io/kubernetes/pkg/apis/core/install" // the scheme, which declarative validation looks into
	k8sv1 "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	podregistry "k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/plugin/pkg/admission/limitranger"

	"taffrail.dev/test/podgen"
)

// The steps of a CREATE, all of them Kubernetes' own: decode, mutate and store.

var actions = limitranger.DefaultLimitRangerActions{}

// sent is how quantities come out at the other end of a connection: 1.5Gi as 1536Mi, which
// is the same amount in another form. Amounts that no int64 holds count by their form.
func sent(lists ...corev1.ResourceList) {
	for _, list := range lists {
		for name, q := range list {
			list[name] = resource.MustParse(q.String())
		}
	}
}

// decodeRanges is what LimitRanger's informer holds.
func decodeRanges(ranges []*corev1.LimitRange) []*corev1.LimitRange {
	decoded := make([]*corev1.LimitRange, len(ranges))
	for i, r := range ranges {
		decoded[i] = r.DeepCopy()
		k8sv1.SetObjectDefaults_LimitRange(decoded[i])
	}
	return decoded
}

// accepted tells whether the API server would have let the LimitRange in.
func accepted(decoded *corev1.LimitRange) bool {
	internal := &core.LimitRange{}
	if err := k8sv1.Convert_v1_LimitRange_To_core_LimitRange(decoded.DeepCopy(), internal, nil); err != nil {
		return false
	}
	internal.Namespace = metav1.NamespaceDefault
	return len(validation.ValidateLimitRange(internal)) == 0
}

// decode is the Pod as admission gets it. The Pod passed in stays as it is.
func decode(pod *corev1.Pod) (*core.Pod, error) {
	pod = pod.DeepCopy()
	pod.Namespace = metav1.NamespaceDefault
	k8sv1.SetObjectDefaults_Pod(pod)
	internal := &core.Pod{}
	return internal, k8sv1.Convert_v1_Pod_To_core_Pod(pod, internal, nil)
}

// encode is the Pod as a webhook gets it.
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

// mutate is LimitRanger's Admit, with the LimitRanges in some order.
func mutate(pod *core.Pod, ranges []*corev1.LimitRange, order []int) error {
	for _, i := range order {
		if err := actions.MutateLimit(ranges[i], "pods", pod); err != nil {
			return err
		}
	}
	return nil
}

// verdict is what becomes of a Pod after mutating admission.
type verdict struct {
	// stored has all defaults, the Pod-level ones too.
	stored *core.Pod
	// invalid is what validation says of each container, or under "" of the Pod as a whole.
	// It comes before LimitRanger's Validate.
	invalid map[string][]string
	// refused is what each LimitRange says. LimitRanger stops at the first that says
	// something: by the order, any of them.
	refused map[string][]podgen.Refused
}

func (v *verdict) admitted() bool { return len(v.invalid) == 0 && len(v.refused) == 0 }

func (v *verdict) String() string {
	return fmt.Sprintf("invalid %q, refused %v", v.invalid, v.refused)
}

// store does what the registry and validating admission do.
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

// placeOf is the container that a path of validation leads to.
func placeOf(spec *core.PodSpec, path string) (container string, ok bool) {
	for kind, list := range map[string][]core.Container{"containers": spec.Containers, "initContainers": spec.InitContainers} {
		for i, c := range list {
			for _, parent := range []string{"spec.", "spec.resources."} { // beside and within Pod-level limits
				if strings.HasPrefix(path, fmt.Sprintf("%s%s[%d]", parent, kind, i)) {
					return c.Name, true
				}
			}
		}
	}
	return "", strings.HasPrefix(path, "spec.resources")
}

// storeClaim is store for a PersistentVolumeClaim; only LimitRanger looks at it.
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

// refusedBy reads LimitRanger's errors one by one. All of them have to be understood.
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

// containers are those that have resources, init containers first, as normalize has them.
func containers(spec *core.PodSpec) []core.Container {
	return slices.Concat(spec.InitContainers, spec.Containers)
}

// orders are all the orders of n LimitRanges.
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
