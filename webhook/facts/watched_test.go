package facts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/facts"
)

// asking is a client that records the kinds that it reads, and fails for some of them.
type asking struct {
	client.Client
	mutex sync.Mutex
	kinds []string
	fails map[string]error
}

func newAsking(t *testing.T, objects ...client.Object) *asking {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), autoscalingv2.AddToScheme(scheme), storagev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	a := &asking{fails: map[string]error{}}
	asked := func(object runtime.Object) error {
		kind, err := apiutil.GVKForObject(object, scheme)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(kind.Kind, "List")
		a.mutex.Lock()
		defer a.mutex.Unlock()
		a.kinds = append(a.kinds, name)
		return a.fails[name]
	}
	a.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := asked(o); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			if err := asked(l); err != nil {
				return err
			}
			return c.List(ctx, l, opts...)
		},
	}).Build()
	return a
}

// oneOfEach returns an object of each kind of fact, in a namespace.
func oneOfEach(namespace string) []client.Object {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	return []client.Object{
		&corev1.LimitRange{ObjectMeta: meta("range")}, &corev1.ResourceQuota{ObjectMeta: meta("quota")},
		&autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta("scaler")}, &corev1.PersistentVolumeClaim{ObjectMeta: meta("claim")},
	}
}

// namesOf returns the names of the objects in facts, by field.
func namesOf(f decision.Facts) map[string]string {
	names := map[string]string{}
	add := func(field, name string) { names[field] = strings.TrimPrefix(names[field]+" "+name, " ") }
	for _, o := range f.LimitRanges {
		add("LimitRange", o.Name)
	}
	for _, o := range f.ResourceQuotas {
		add("ResourceQuota", o.Name)
	}
	for _, o := range f.Autoscalers {
		add("HorizontalPodAutoscaler", o.Name)
	}
	for _, o := range f.PersistentVolumeClaims {
		add("PersistentVolumeClaim", o.Name)
	}
	for _, o := range f.StorageClasses {
		add("StorageClass", o.Name)
	}
	return names
}

func factKinds() map[decision.Fact]struct{ kind, name string } {
	return map[decision.Fact]struct{ kind, name string }{
		decision.FactLimitRanges: {"LimitRange", "range"}, decision.FactResourceQuotas: {"ResourceQuota", "quota"},
		decision.FactAutoscalers: {"HorizontalPodAutoscaler", "scaler"}, decision.FactClaims: {"PersistentVolumeClaim", "claim"},
		decision.FactStorageClasses: {"StorageClass", "class"},
	}
}

// Each fact is listed on its own, in an old namespace and a new one, and from the API server.
func TestEveryFactIsListed(t *testing.T) {
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "class"}}
	objects := append(append(oneOfEach("old"), oneOfEach("new")...), class, namespace("old", time.Hour), namespace("new", 0))
	store := newAsking(t, append(objects, oneOfEach("elsewhere")...)...)
	f := facts.New(store, store, facts.Options{Now: func() time.Time { return now }})
	if len(factKinds()) != len(decision.AllFacts()) {
		t.Fatalf("there are %d facts", len(decision.AllFacts()))
	}
	for _, fact := range decision.AllFacts() {
		want := factKinds()[fact]
		for name, list := range map[string]func() (decision.Facts, error){
			"old": func() (decision.Facts, error) { return f.Facts(t.Context(), "old", []decision.Fact{fact}) },
			"new": func() (decision.Facts, error) { return f.Facts(t.Context(), "new", []decision.Fact{fact}) },
			"fresh": func() (decision.Facts, error) {
				return facts.NewFresh(store).Facts(t.Context(), "old", []decision.Fact{fact})
			},
		} {
			got, err := list()
			if names := namesOf(got); err != nil || len(names) != 1 || names[want.kind] != want.name || got.Fresh != (name != "old") {
				t.Errorf("%s, %s: %v, fresh: %v, %v", fact, name, names, got.Fresh, err)
			}
		}
	}
}

// A failed list does not count as an empty one, because verdicts depend on it.
func TestNoFailedListIsTakenForAnEmptyOne(t *testing.T) {
	broken := errors.New("the API server is unavailable")
	for fact, of := range factKinds() {
		store := newAsking(t, namespace("old", time.Hour), namespace("new", 0))
		store.fails[of.kind] = broken
		f := facts.New(store, store, facts.Options{Now: func() time.Time { return now }})
		for _, name := range []string{"old", "new"} {
			_, err := f.Facts(t.Context(), name, decision.AllFacts())
			if failed, ok := errors.AsType[*facts.NamespaceError](err); !ok || failed.Name != name || !errors.Is(err, broken) {
				t.Errorf("%s, %s: got %v", fact, name, err)
			}
		}
		_, err := facts.NewFresh(store).Facts(t.Context(), "old", decision.AllFacts())
		if failed, ok := errors.AsType[*facts.NamespaceError](err); !ok || failed.Name != "old" || !errors.Is(err, broken) {
			t.Errorf("%s, fresh: got %v", fact, err)
		}
	}
	store := newAsking(t, namespace("old", time.Hour))
	facts := facts.New(store, store, facts.Options{Now: func() time.Time { return now }})
	if _, err := facts.Facts(t.Context(), "old", []decision.Fact{"moons"}); err == nil {
		t.Error("a fact that there is not is listed")
	}
	store.fails["Namespace"] = broken
	if _, err := facts.Namespaces(t.Context()); !errors.Is(err, broken) {
		t.Errorf("the namespaces: got %v", err)
	}
	if _, err := facts.Namespace(t.Context(), "old"); !errors.Is(err, broken) {
		t.Errorf("a namespace: got %v", err)
	}
}

// Everything that is read from informers is synced before it is used, reduced in size and not copied. Nothing
// else creates an informer for it.
func TestWhatIsReadIsWatched(t *testing.T) {
	store := newAsking(t, namespace("old", time.Hour))
	f := facts.New(store, nil, facts.Options{Now: func() time.Time { return now }})
	if _, err := f.Facts(t.Context(), "old", decision.AllFacts()); err != nil {
		t.Fatal(err)
	}
	if all, err := f.Namespaces(t.Context()); err != nil || len(all) != 1 || all[0].Name != "old" || !all[0].Known || all[0].Created.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
	var watched, cached []string
	kindOf := func(o client.Object) string {
		kind, err := apiutil.GVKForObject(o, store.Scheme())
		if err != nil {
			t.Fatal(err)
		}
		return kind.Kind
	}
	for _, o := range facts.Watched() {
		watched = append(watched, kindOf(o))
	}
	for o, by := range facts.CacheOptions() {
		cached = append(cached, kindOf(o))
		if by.Transform == nil || by.UnsafeDisableDeepCopy == nil || !*by.UnsafeDisableDeepCopy {
			t.Errorf("%T: %+v", o, by)
		}
	}
	slices.Sort(store.kinds)
	slices.Sort(watched)
	slices.Sort(cached)
	if read := slices.Compact(store.kinds); !slices.Equal(read, watched) || !slices.Equal(read, cached) {
		t.Errorf("%q are read, %q are waited for, %q are kept", read, watched, cached)
	}
	if o := facts.WatchedNamespaces(); fmt.Sprintf("%T", o) != "*v1.PartialObjectMetadata" || kindOf(o) != "Namespace" {
		t.Errorf("namespaces are watched as %T", o)
	}
}

// A namespace counts as new while its facts may not have reached the informers.
func TestWhenANamespaceIsNew(t *testing.T) {
	for age, want := range map[time.Duration]bool{
		0: true, 9 * time.Second: true, 10 * time.Second: false, time.Hour: false,
		-time.Hour: true, // according to another clock
	} {
		store := newAsking(t, namespace("a", age))
		facts := facts.New(store, store, facts.Options{Now: func() time.Time { return now }})
		if got, err := facts.Facts(t.Context(), "a", nil); err != nil || got.Fresh != want {
			t.Errorf("%s old: fresh: %v, %v", age, got.Fresh, err)
		}
	}
}

// The fields that policies read are kept for each kind.
func TestWhatPoliciesReadIsKept(t *testing.T) {
	weight := metav1.ObjectMeta{
		Name: "a", Labels: map[string]string{"team": "a"}, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, OwnerReferences: []metav1.OwnerReference{{Name: "o"}},
	}
	for want, object := range map[string]client.Object{
		"a LimitRange":    &corev1.LimitRange{ObjectMeta: weight, Spec: corev1.LimitRangeSpec{Limits: make([]corev1.LimitRangeItem, 1)}},
		"a ResourceQuota": &corev1.ResourceQuota{ObjectMeta: weight, Status: corev1.ResourceQuotaStatus{Used: corev1.ResourceList{"pods": {}}}},
		"a claim":         &corev1.PersistentVolumeClaim{ObjectMeta: weight, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}},
		"a class":         &storagev1.StorageClass{ObjectMeta: weight, Provisioner: "p"},
		"a scaler": &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: weight, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			MaxReplicas: 3, Metrics: make([]autoscalingv2.MetricSpec, 1), Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{},
		}, Status: autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 2}},
	} {
		for _, by := range facts.CacheOptions() {
			copied, _ := object.DeepCopyObject().(client.Object)
			if _, err := by.Transform(copied); err != nil {
				t.Fatal(err)
			}
			_, class := object.(*storagev1.StorageClass)
			if copied.GetManagedFields() != nil || copied.GetOwnerReferences() != nil || copied.GetLabels()["team"] != "a" || (copied.GetAnnotations() != nil) != class {
				t.Errorf("%s: %+v", want, copied)
			}
			switch o := copied.(type) {
			case *corev1.LimitRange:
				if len(o.Spec.Limits) != 1 {
					t.Errorf("%s: %+v", want, o)
				}
			case *corev1.ResourceQuota:
				if len(o.Status.Used) != 1 {
					t.Errorf("%s: %+v", want, o)
				}
			case *corev1.PersistentVolumeClaim:
				if o.Status.Phase != "" {
					t.Errorf("%s: %+v", want, o)
				}
			case *storagev1.StorageClass:
				if o.Provisioner != "p" {
					t.Errorf("%s: %+v", want, o)
				}
			case *autoscalingv2.HorizontalPodAutoscaler:
				if o.Spec.MaxReplicas != 3 || o.Spec.Metrics != nil || o.Spec.Behavior != nil || o.Status.CurrentReplicas != 0 {
					t.Errorf("%s: %+v", want, o)
				}
			}
		}
	}
}
