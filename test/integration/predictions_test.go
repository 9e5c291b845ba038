package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"taffrail.dev/test/podgen"
	"taffrail.dev/webhook/request"
	"taffrail.dev/webhook/resources"
)

var oracleSeed = flag.Uint64("oracle.seed", 0, "the seed of the Pods and LimitRanges of TestPredictionsHold; 0 makes one from the clock")

// In namespaces with LimitRanges and without Taffrail, the API server creates the predicted Pods and refuses
// those predicted to be refused. test/oracle checks many more Pods; these go all the way through the API
// server.
func TestPredictionsHold(t *testing.T) {
	t.Parallel()
	began := time.Now()
	seed := *oracleSeed
	if seed == 0 {
		seed = uint64(began.UnixNano())
	}
	const pairsEach = 5
	places := make([]*place, 120)
	ranger := watchRanger(t)
	each := func(do func(ctx context.Context, i int) error) {
		t.Helper()
		if err := inParallel(t.Context(), len(places), do); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	each(func(ctx context.Context, i int) error {
		p, err := newPlace(ctx, rand.New(rand.NewPCG(seed, uint64(i))), unique(fmt.Sprintf("oracle-%d", i)), pairsEach)
		places[i] = p
		return err
	})
	ranger.awaitAll(t)
	var found seen
	each(func(ctx context.Context, i int) error { return places[i].compare(ctx, &found) })
	t.Logf("%d pairs in %d namespaces, seed %d, in %s: %+v",
		len(places)*pairsEach, len(places), seed, time.Since(began).Round(time.Millisecond), found.kinds)
	for _, kind := range []string{"Pod admitted", "Pod invalid", "Pod refused", "claim admitted", "claim refused"} {
		if found.kinds[kind] == 0 {
			t.Errorf("no %s among them: they say little", kind)
		}
	}
}

func inParallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// seen counts the outcomes for Pods and claims.
type seen struct {
	mutex sync.Mutex
	kinds map[string]int
}

func (s *seen) count(kind string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.kinds == nil {
		s.kinds = map[string]int{}
	}
	s.kinds[kind]++
}

// ranger waits until LimitRanger knows the LimitRanges of every namespace.
//
// The plugin depends on a watch. In a namespace in which it knows of no LimitRange it reads them live, and
// caches the result for 30 seconds; during that time the watch may deliver some of them, and it acts on those
// alone. So if a LimitRange is effective in one namespace, that proves nothing about others. But in a namespace
// where another LimitRange is already effective, only the watch can deliver the next one, and the watch
// delivers all older ones first.
type ranger struct{ namespace string }

func watchRanger(t *testing.T) ranger {
	t.Helper()
	r := ranger{namespace: newNamespace(t, "ranger", servedBy("nobody"))}
	// The plugin caches this result, that there is none.
	admit(t, "a Pod in a namespace without LimitRanges", cluster.Alice.Create(t.Context(), r.pod(), client.DryRunAll))
	r.await(t, "first", corev1.ResourceCPU)
	return r
}

func (r ranger) pod() *corev1.Pod {
	return podOf(r.namespace, "probe", app("main", corev1.ResourceRequirements{}))
}

// awaitAll waits until LimitRanger knows every existing LimitRange.
func (r ranger) awaitAll(t *testing.T) {
	t.Helper()
	r.await(t, "last", corev1.ResourceMemory)
}

func (r ranger) await(t *testing.T, name string, of corev1.ResourceName) {
	t.Helper()
	must(t, cluster.Admin.Client.Create(t.Context(), &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: name},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Default: corev1.ResourceList{of: resource.MustParse("1")},
		}}},
	}))
	eventually(t, "the LimitRanger to know LimitRange "+name, func(ctx context.Context) error {
		pod := r.pod()
		if answer := cluster.Alice.Create(ctx, pod, client.DryRunAll); answer.Err != nil {
			return answer.Err
		}
		if _, set := pod.Spec.Containers[0].Resources.Limits[of]; !set {
			return errors.New("its default is not set")
		}
		return nil
	})
}

// place is a namespace without Taffrail, and what to create there.
type place struct {
	name   string
	ranges []*corev1.LimitRange
	pods   []*corev1.Pod
	claims []corev1.ResourceList
}

// newPlace creates LimitRanges, keeping those that the API server accepts. The prediction uses them without the
// API server's defaults, as if they were read from a file.
func newPlace(ctx context.Context, source podgen.Source, name string, pairs int) (*place, error) {
	p := &place{name: name}
	if err := cluster.Namespace(ctx, p.name, labelMap([]string{servedBy("nobody")})); err != nil {
		return nil, err
	}
	for _, r := range podgen.Ranges(source, 3) {
		drawn := r.DeepCopy()
		r.Namespace = p.name
		switch err := cluster.Admin.Client.Create(ctx, r); {
		case apierrors.IsInvalid(err): // it cannot exist in any namespace
		case err != nil:
			return nil, err
		default:
			p.ranges = append(p.ranges, drawn)
		}
	}
	for range pairs {
		pod := podgen.Pod(source)
		pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		pod.Namespace = p.name
		pod.Spec.Overhead = nil // determined by a RuntimeClass
		p.pods = append(p.pods, pod)
		p.claims = append(p.claims, podgen.Claim(source))
	}
	return p, nil
}

func (p *place) compare(ctx context.Context, found *seen) error {
	for i, pod := range p.pods {
		for what, compare := range map[string]func() (string, error){
			"Pod":   func() (string, error) { return p.comparePod(ctx, pod) },
			"claim": func() (string, error) { return p.compareClaim(ctx, p.claims[i]) },
		} {
			kind, err := compare()
			if err != nil {
				shown, _ := yaml.Marshal(podgen.Pair{Ranges: p.ranges, Pod: pod, Claim: p.claims[i]})
				return fmt.Errorf("the %s: %w\n%s", what, err, shown)
			}
			found.count(what + " " + kind)
		}
		if prediction, err := p.predict(pod); err == nil && len(prediction.Outcomes) > 1 {
			found.count("Pod by the order")
		}
	}
	return nil
}

func (p *place) predict(pod *corev1.Pod) (resources.Prediction, error) {
	declared, err := read(pod)
	return resources.Predict(declared, p.ranges), err
}

// comparePod creates the Pod, as a dry run, and finds the outcome among the predicted ones.
func (p *place) comparePod(ctx context.Context, pod *corev1.Pod) (kind string, err error) {
	prediction, err := p.predict(pod)
	if err != nil {
		return "", err
	}
	stored := pod.DeepCopy()
	answer := cluster.Alice.Create(ctx, stored, client.DryRunAll)
	kind, err = kindOf(answer.Err)
	if err != nil {
		return "", err
	}
	var got resources.Pod
	if kind == "admitted" {
		if got, err = read(stored); err != nil {
			return "", err
		}
	}
	var differences []string
	for i := range prediction.Outcomes {
		o := &prediction.Outcomes[i]
		difference := ""
		switch kind {
		case "admitted":
			if len(o.Invalid) > 0 || len(o.Refusals) > 0 {
				difference = fmt.Sprintf("predicted to be invalid for %q, or refused for %+v", o.Invalid, o.Refusals)
			} else {
				difference = cmp.Diff(got, o.Pod, byValue, cmpopts.EquateEmpty())
			}
		case "invalid":
			if len(o.Invalid) == 0 {
				difference = "predicted to be valid"
			}
		case "refused":
			if len(o.Invalid) > 0 {
				difference = fmt.Sprintf("predicted to be invalid: %q", o.Invalid)
			} else {
				predicted := map[string][]podgen.Refused{}
				for _, r := range o.Refusals {
					predicted[r.By] = append(predicted[r.By], podgen.RefusedBy(r))
				}
				difference = refusedAlike(answer.Err, predicted)
			}
		}
		if difference == "" {
			return kind, nil
		}
		differences = append(differences, difference)
	}
	return "", errors.Join(fmt.Errorf("%s, unlike all %d outcomes: %q", kind, len(differences), differences), answer.Err)
}

func (p *place) compareClaim(ctx context.Context, requests corev1.ResourceList) (kind string, err error) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: p.name, Name: "drawn"}}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests = requests.DeepCopy()
	answer := cluster.Alice.Create(ctx, claim, client.DryRunAll)
	if kind, err = kindOf(answer.Err); err != nil {
		return "", err
	}
	predicted := map[string][]podgen.Refused{}
	for _, r := range resources.ClaimRefusals(requests, p.ranges) {
		predicted[r.By] = append(predicted[r.By], podgen.RefusedClaim(r))
	}
	storage, requested := requests[corev1.ResourceStorage]
	switch {
	case kind == "invalid" && requested && storage.Sign() > 0 && !odd(requests):
		return "", fmt.Errorf("invalid: %w", answer.Err)
	case kind == "admitted" && len(predicted) > 0:
		return "", fmt.Errorf("admitted, and predicted to be refused for %v", predicted)
	case kind == "refused":
		if difference := refusedAlike(answer.Err, predicted); difference != "" {
			return "", errors.New(difference)
		}
	}
	return kind, nil
}

// odd reports whether validation rejects anything besides the storage: negative values.
func odd(requests corev1.ResourceList) bool {
	for _, q := range requests {
		if q.Sign() < 0 {
			return true
		}
	}
	return false
}

// kindOf distinguishes validation errors from LimitRanger's refusals.
func kindOf(err error) (string, error) {
	switch {
	case err == nil:
		return "admitted", nil
	case apierrors.IsInvalid(err):
		return "invalid", nil
	case apierrors.IsForbidden(err) && len(podgen.RefusedIn(err.Error())) > 0:
		return "refused", nil
	default:
		return "", err
	}
}

// refusedAlike compares with the LimitRange at which LimitRanger stopped. LimitRanger reports the same error of
// several containers once.
func refusedAlike(err error, predicted map[string][]podgen.Refused) (difference string) {
	got := podgen.RefusedIn(err.Error())
	podgen.SortRefused(got)
	got = slices.Compact(got)
	for _, list := range predicted {
		podgen.SortRefused(list)
		if slices.Equal(got, slices.Compact(slices.Clone(list))) {
			return ""
		}
	}
	return fmt.Sprintf("refused for %+v, predicted is %+v", got, predicted)
}

// read returns the Pod as Taffrail reads it.
func read(pod *corev1.Pod) (resources.Pod, error) {
	pod = pod.DeepCopy()
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return resources.Pod{}, err
	}
	request, err := request.Manifest(object, pod.Namespace)
	if err != nil {
		return resources.Pod{}, err
	}
	return resources.PodOf(request.Workload), nil
}

// byValue compares quantities: 1Gi and 1024Mi are the same.
var byValue = cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })
