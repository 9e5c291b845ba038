package server

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// library is that of Taffrail, loaded once.
var library = sync.OnceValues(func() (*rego.Catalog, error) { return rego.Load(policies.FS) })

// snapshotOf compiles a configuration, which has to be right.
func snapshotOf(t *testing.T, objects config.Objects) *config.Snapshot {
	t.Helper()
	catalog, err := library()
	if err != nil {
		t.Fatal(err)
	}
	snapshot, problems, err := config.Build(t.Context(), catalog, objects)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return snapshot
}

func newGuardrail(name string, generation int64) *v1alpha1.Guardrail {
	return &v1alpha1.Guardrail{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: generation},
		Spec:       v1alpha1.GuardrailSpec{Mode: v1alpha1.ModeEnforce},
	}
}

// store is a client with Guardrails in it that counts writes of status.
func store(t *testing.T, writes *atomic.Int32, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Guardrail{}, &v1alpha1.Exemption{}, &v1alpha1.Policy{}).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, name string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
				writes.Add(1)
				return c.SubResource(name).Patch(ctx, o, p, opts...)
			},
		}).Build()
}

// compileAny is a build that minds no mistakes.
func compileAny(ctx context.Context, objects config.Objects) (*config.Snapshot, []config.Problem, error) {
	catalog, err := library()
	if err != nil {
		return nil, nil, err
	}
	snapshot, _, err := config.Build(ctx, catalog, objects)
	return snapshot, nil, err
}

func decideBy(snapshot *config.Snapshot) admission.Decider {
	return pipeline.New(snapshot, nil, pipeline.Options{})
}

func newTestCompiler(reader client.Reader) *compiler {
	c := newCompiler()
	c.reader, c.log, c.told, c.build, c.decider = reader, logr.Discard(), func() {}, compileAny, decideBy
	c.metrics = metrics.NewConfiguration(prometheus.NewRegistry())
	return c
}

func TestCompileSortsAndSwaps(t *testing.T) {
	c := newTestCompiler(store(t, new(atomic.Int32), newGuardrail("b", 2), newGuardrail("a", 1)))
	if c.Current() != nil || c.ready() == nil {
		t.Error("something is in force before anything compiled")
	}
	if err := c.compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	compiled, _, err := compileAny(t.Context(), config.Objects{Guardrails: []v1alpha1.Guardrail{*newGuardrail("a", 1), *newGuardrail("b", 2)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Current().ID(); got != compiled.ID() || c.ready() != nil {
		t.Errorf("got %q", got)
	}
	if o := c.last.Load(); o.generations[key{"Guardrail", "b"}] != 2 || o.generations[key{"Guardrail", "a"}] != 1 {
		t.Errorf("%+v", o)
	}
}

func TestNoGuardrailIsAConfiguration(t *testing.T) {
	c := newTestCompiler(store(t, new(atomic.Int32)))
	if err := c.compile(t.Context()); err != nil || c.ready() != nil {
		t.Errorf("%v, %v", err, c.ready())
	}
}

func TestTheLastGoodConfigurationStays(t *testing.T) {
	c := newTestCompiler(store(t, new(atomic.Int32), newGuardrail("a", 1)))
	if err := c.compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	was := c.Current().ID()
	for name, build := range map[string]func(context.Context, config.Objects) (*config.Snapshot, []config.Problem, error){
		"error": func(context.Context, config.Objects) (*config.Snapshot, []config.Problem, error) {
			return nil, nil, errors.New("broken")
		},
		"panic": func(context.Context, config.Objects) (*config.Snapshot, []config.Problem, error) { panic("broken") },
	} {
		c.build = build
		if err := c.compile(t.Context()); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%s: %v", name, err)
		}
		if c.Current() == nil || c.Current().ID() != was {
			t.Errorf("%s: the configuration is gone", name)
		}
	}
}

// Changes that come while a configuration is compiled are one more compilation.
func TestChangesAreGathered(t *testing.T) {
	c := newTestCompiler(store(t, new(atomic.Int32)))
	began, release := make(chan struct{}), make(chan struct{})
	var builds atomic.Int32
	c.build = func(ctx context.Context, objects config.Objects) (*config.Snapshot, []config.Problem, error) {
		if builds.Add(1) <= 2 {
			began <- struct{}{}
			<-release
		}
		return compileAny(ctx, objects)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { c.run(ctx); close(ended) }()
	c.kick()
	<-began
	for range 100 {
		c.kick()
	}
	release <- struct{}{}
	<-began
	release <- struct{}{}
	time.Sleep(3 * settle) // whatever is left over would be compiled by then
	stop()
	<-ended
	if got := builds.Load(); got != 2 {
		t.Errorf("100 changes at once are %d builds", got-1)
	}
}

func TestOnlyChangesOfSpecCompile(t *testing.T) {
	c := newCompiler()
	events := c.events()
	other := newGuardrail("a", 1)
	other.UID = "made-again"
	for name, f := range map[string]struct {
		event func()
		kicks bool
	}{
		"added":      {func() { events.OnAdd(newGuardrail("a", 1), true) }, true},
		"deleted":    {func() { events.OnDelete(newGuardrail("a", 1)) }, true},
		"spec":       {func() { events.OnUpdate(newGuardrail("a", 1), newGuardrail("a", 2)) }, true},
		"made again": {func() { events.OnUpdate(newGuardrail("a", 1), other) }, true},
		"status":     {func() { events.OnUpdate(newGuardrail("a", 1), newGuardrail("a", 1)) }, false},
	} {
		f.event()
		select {
		case <-c.bell:
			if !f.kicks {
				t.Errorf("%s compiles", name)
			}
		default:
			if f.kicks {
				t.Errorf("%s does not compile", name)
			}
		}
	}
}
