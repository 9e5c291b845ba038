package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/metrics"
)

// failingStore holds one Guardrail. The hooks that a test sets run before each call.
type failingStore struct {
	client.Client
	get, patch func() error
	patches    int
}

func newFailingStore(t *testing.T, g *v1alpha1.Guardrail) *failingStore {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	none := func() error { return nil }
	s := &failingStore{get: none, patch: none}
	s.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(g).WithStatusSubresource(g).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := s.get(); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			s.patches++
			if err := s.patch(); err != nil {
				return err
			}
			return c.SubResource(name).Patch(ctx, o, p, opts...)
		},
	}).Build()
	return s
}

// wouldDeny returns the stored count.
func (s *failingStore) wouldDeny(t *testing.T) int64 {
	t.Helper()
	s.get = func() error { return nil }
	var g v1alpha1.Guardrail
	if err := s.Get(t.Context(), client.ObjectKey{Name: "g"}, &g); err != nil {
		t.Fatal(err)
	}
	if g.Status.WouldDeny == nil {
		return -1
	}
	return g.Status.WouldDeny.Requests
}

// newTestWriter returns a writer for one Guardrail, and a function that counts a request that it would deny.
func newTestWriter(t *testing.T, s *failingStore, version config.Version) (w *wouldDenyWriter, admitted func()) {
	t.Helper()
	by := snapshotAt(t, version)
	counter := newWouldDenyCounter(metrics.NewWouldDeny(prometheus.NewRegistry()), time.Now)
	w = newWouldDenyWriter(wouldDenyOptions{
		counter: counter, compiled: func() *outcome { return &outcome{snapshot: by} }, cached: s, live: s, writer: s.Client, interval: time.Hour, log: logr.Discard(),
	})
	return w, func() { counter.Observe(wouldDeny(by, "shop", "p")) }
}

// A count that cannot be written is restored, and written together with later requests.
func TestNoCountIsLostWhenItCannotBeWritten(t *testing.T) {
	broken := errors.New("the API server is unavailable")
	guardrails := schema.GroupResource{Group: "taffrail.dev", Resource: "guardrails"}
	conflict := apierrors.NewConflict(guardrails, "g", broken)
	forbidden := apierrors.NewForbidden(guardrails, "g", broken)
	for name, test := range map[string]struct {
		get, patch error
		tries      int
	}{
		"it cannot be read":         {broken, nil, 0},
		"it may not be read":        {forbidden, nil, 0},
		"it cannot be written":      {nil, broken, 1},
		"it may not be written":     {nil, forbidden, 1},
		"others are always quicker": {nil, conflict, writeTries},
	} {
		s := newFailingStore(t, newGuardrail("g", 1))
		w, admitted := newTestWriter(t, s, config.Version{Generation: 1})
		admitted()
		s.get, s.patch = func() error { return test.get }, func() error { return test.patch }
		w.write(t.Context())
		if s.patches != test.tries {
			t.Errorf("%s: tried %d times", name, s.patches)
		}
		s.patch = func() error { return nil }
		if got := s.wouldDeny(t); got != -1 {
			t.Errorf("%s: %d requests are stored anyway", name, got)
		}
		admitted()
		w.write(t.Context())
		if got := s.wouldDeny(t); got != 2 {
			t.Errorf("%s: 2 requests were counted, and %d are stored", name, got)
		}
		w.write(t.Context())
		if got := s.wouldDeny(t); got != 2 {
			t.Errorf("%s: a count is written twice: %d", name, got)
		}
	}
}

// Another replica may win the write several times.
func TestACountIsAddedToWhatAnotherReplicaWrote(t *testing.T) {
	s := newFailingStore(t, newGuardrail("g", 1))
	w, admitted := newTestWriter(t, s, config.Version{Generation: 1})
	quicker := writeTries - 1
	s.patch = func() error {
		if quicker == 0 {
			return nil
		}
		quicker--
		return apierrors.NewConflict(schema.GroupResource{Resource: "guardrails"}, "g", errors.New("conflict"))
	}
	admitted()
	w.write(t.Context())
	if got := s.wouldDeny(t); got != 1 || s.patches != writeTries {
		t.Errorf("%d requests after %d tries", got, s.patches)
	}
}

// If two replicas write at the same time, both counts are added.
func TestReplicasThatWriteAtOnceLoseNothing(t *testing.T) {
	s := newFailingStore(t, newGuardrail("g", 1))
	mine, admittedHere := newTestWriter(t, s, config.Version{Generation: 1})
	theirs, admittedThere := newTestWriter(t, s, config.Version{Generation: 1})
	admittedHere()
	admittedHere()
	admittedThere()
	s.patch = func() error {
		s.patch = func() error { return nil }
		theirs.write(t.Context()) // after this replica's read and before its write
		return nil
	}
	mine.write(t.Context())
	if got := s.wouldDeny(t); got != 3 || s.patches != 3 {
		t.Errorf("%d requests in %d writes", got, s.patches)
	}
}

// If a Guardrail changes while its count cannot be written, counting begins anew: the previous version's count
// is not added to the next one's.
func TestACountOfAPreviousVersionIsNotWritten(t *testing.T) {
	s := newFailingStore(t, newGuardrail("g", 2))
	w, admitted := newTestWriter(t, s, config.Version{Generation: 1})
	admitted()
	now := snapshotAt(t, config.Version{Generation: 2})
	s.patch = func() error {
		w.counter.Observe(wouldDeny(now, "shop", "p"))
		return errors.New("the API server is unavailable")
	}
	w.write(t.Context())
	s.patch = func() error { return nil }
	w.compiled = func() *outcome { return &outcome{snapshot: now} }
	w.write(t.Context())
	if got := s.wouldDeny(t); got != 1 {
		t.Errorf("%d requests are stored for the version that denied 1", got)
	}
}

// A count belongs to one version of one Guardrail.
func TestACountIsNotOfAnotherGuardrail(t *testing.T) {
	g := newGuardrail("g", 3)
	g.UID = "new"
	for name, test := range map[string]struct {
		version config.Version
		want    int64
	}{
		"it was made anew":         {config.Version{UID: "old", Generation: 3}, -1},
		"it is this one":           {config.Version{UID: "new", Generation: 3}, 1},
		"it has yet to be changed": {config.Version{UID: "new", Generation: 2}, 1},
	} {
		s := newFailingStore(t, g.DeepCopy())
		w, admitted := newTestWriter(t, s, test.version)
		admitted()
		w.write(t.Context())
		if got := s.wouldDeny(t); got != test.want {
			t.Errorf("%s: %d requests are stored", name, got)
		}
	}
	s := newFailingStore(t, g.DeepCopy())
	w, admitted := newTestWriter(t, s, config.Version{UID: "new", Generation: 3})
	admitted()
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "guardrails"}, "g")
	s.patch = func() error { return gone }
	w.write(t.Context())
	s.patch = func() error { return nil }
	w.write(t.Context())
	if got := s.wouldDeny(t); got > 0 {
		t.Errorf("%d requests are stored for a Guardrail that was gone", got)
	}
}

// An empty count is written once for each version.
func TestThatNothingWouldBeDeniedIsWritten(t *testing.T) {
	s := newFailingStore(t, newGuardrail("g", 1))
	w, _ := newTestWriter(t, s, config.Version{Generation: 1})
	for range 3 {
		w.write(t.Context())
	}
	if got := s.wouldDeny(t); got != 0 || s.patches != 1 {
		t.Errorf("%d requests in %d writes", got, s.patches)
	}
	s.get = func() error { return errors.New("the API server is unavailable") }
	w.write(t.Context())
	if s.patches != 1 {
		t.Errorf("%d writes where it is not known what is stored", s.patches)
	}
}

// The last counts are written at shutdown.
func TestTheLastCountIsWritten(t *testing.T) {
	s := newFailingStore(t, newGuardrail("g", 1))
	w, admitted := newTestWriter(t, s, config.Version{Generation: 1})
	admitted()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	w.run(ctx)
	if got := s.wouldDeny(t); got != 1 {
		t.Errorf("%d requests are stored", got)
	}
	w.compiled = func() *outcome { return nil }
	w.write(t.Context()) // nothing has compiled yet
}
