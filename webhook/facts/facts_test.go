package facts_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/facts"
)

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// reader returns a client that counts its reads.
func reader(t *testing.T, reads *int, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), autoscalingv2.AddToScheme(scheme), storagev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	var mutex sync.Mutex // facts are read concurrently
	count := func() {
		mutex.Lock()
		defer mutex.Unlock()
		*reads++
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			count()
			if err := ctx.Err(); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			count()
			return c.List(ctx, l, opts...)
		},
	}).Build()
}

func namespace(name string, age time.Duration) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, CreationTimestamp: metav1.NewTime(now.Add(-age)), Labels: map[string]string{"team": name},
	}}
}

func limits(namespace, name string) *corev1.LimitRange {
	return &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

func TestNamespaceMissIsReadLive(t *testing.T) {
	var cachedReads, liveReads int
	cached := reader(t, &cachedReads, namespace("old", time.Hour))
	live := reader(t, &liveReads, namespace("old", time.Hour), namespace("new", 0))
	facts := facts.New(cached, live, facts.Options{Now: func() time.Time { return now }})

	for name, wantLive := range map[string]int{"old": 0, "new": 1} {
		liveReads = 0
		got, err := facts.Namespace(t.Context(), name)
		if err != nil || !got.Known || got.Name != name || got.Labels["team"] != name {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if liveReads != wantLive {
			t.Errorf("%s: %d live reads, want %d", name, liveReads, wantLive)
		}
	}
}

func TestNamespaceIsNeverMadeUp(t *testing.T) {
	var reads int
	empty := reader(t, &reads)
	f := facts.New(empty, empty, facts.Options{})
	_, err := f.Namespace(t.Context(), "nowhere")
	var failed *facts.NamespaceError
	if !errors.As(err, &failed) || failed.Name != "nowhere" || !apierrors.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Namespace(ctx, "nowhere"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestClusterScopedNeedsNoRead(t *testing.T) {
	var reads int
	client := reader(t, &reads)
	facts := facts.New(client, client, facts.Options{})
	got, err := facts.Namespace(t.Context(), "")
	if err != nil || got.Name != "" || !got.Known {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := facts.Facts(t.Context(), "", decision.AllFacts()); err != nil || reads != 0 {
		t.Errorf("%v after %d reads", err, reads)
	}
}

func TestFactsOfNewNamespacesAreReadLive(t *testing.T) {
	var cachedReads, liveReads int
	cached := reader(t, &cachedReads, namespace("old", time.Hour), namespace("young", time.Second), limits("old", "seen"))
	live := reader(t, &liveReads, limits("old", "unseen"), limits("young", "fresh"), limits("missing", "fresh"),
		&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "missing", Name: "quota"}})
	facts := facts.New(cached, live, facts.Options{Now: func() time.Time { return now }})

	for name, want := range map[string]string{"old": "seen", "young": "fresh", "missing": "fresh"} {
		got, err := facts.Facts(t.Context(), name, decision.AllFacts())
		if err != nil || len(got.LimitRanges) != 1 || got.LimitRanges[0].Name != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if wantQuotas := map[string]int{"missing": 1}[name]; len(got.ResourceQuotas) != wantQuotas {
			t.Errorf("%s: %d quotas", name, len(got.ResourceQuotas))
		}
	}
}

// Of the annotations of a namespace, those are kept that name its owner.
func TestCacheOptionsKeepAnnotations(t *testing.T) {
	for object, options := range facts.CacheOptions("owner", "team") {
		if _, ok := object.(*metav1.PartialObjectMetadata); !ok {
			continue
		}
		heavy := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"owner": "a", "note": "b"}}}
		if _, err := options.Transform(heavy); err != nil || len(heavy.Annotations) != 1 || heavy.Annotations["owner"] != "a" {
			t.Errorf("%+v, %v", heavy.Annotations, err)
		}
		return
	}
	t.Error("no namespaces are watched")
}

func TestCacheOptionsDropWeight(t *testing.T) {
	for object, options := range facts.CacheOptions() {
		heavy := namespace("a", 0)
		heavy.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
		heavy.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
		out, err := options.Transform(heavy)
		slim, ok := out.(*corev1.Namespace)
		if err != nil || !ok || slim.ManagedFields != nil || slim.Annotations != nil || slim.Labels["team"] != "a" {
			t.Errorf("%T: %+v, %v", object, out, err)
		}
		if out, err := options.Transform("tombstone"); out != "tombstone" || err != nil {
			t.Errorf("%T: %v, %v", object, out, err)
		}
	}
}
