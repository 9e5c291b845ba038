package controller

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
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/rego"
)

// library is Taffrail's own library, loaded once.
var library = sync.OnceValues(func() (*rego.Catalog, error) { return rego.Load(policies.FS) })

// snapshotOf compiles a configuration that must be valid.
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

// store returns a client that holds Guardrails and counts writes of status.
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

// anyBuilder is a builder that ignores problems.
func anyBuilder(ctx context.Context, objects config.Objects) (*config.Snapshot, []config.Problem, error) {
	catalog, err := library()
	if err != nil {
		return nil, nil, err
	}
	snapshot, _, err := config.Build(ctx, catalog, objects)
	return snapshot, nil, err
}

// buildFunc implements builder.
type buildFunc func(context.Context, config.Objects) (*config.Snapshot, []config.Problem, error)

func (f buildFunc) Build(ctx context.Context, objects config.Objects) (*config.Snapshot, []config.Problem, error) {
	return f(ctx, objects)
}

func newTestCompiler(reader client.Reader, change ...func(*compilerOptions)) *compiler {
	o := compilerOptions{
		trigger: newTrigger(settle), reader: reader, builder: buildFunc(anyBuilder),
		metrics: metrics.NewConfiguration(prometheus.NewRegistry()), log: logr.Discard(),
	}
	for _, c := range change {
		c(&o)
	}
	return newCompiler(o)
}

// eventually waits for a condition. Its deadline is generous, because the machine may be busy.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("%s did not happen", what)
}

func TestCompileSortsAndSwaps(t *testing.T) {
	c := newTestCompiler(store(t, new(atomic.Int32), newGuardrail("b", 2), newGuardrail("a", 1)))
	if c.Current() != nil || c.ready() == nil {
		t.Error("something is in force before anything compiled")
	}
	if err := c.compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	compiled, _, err := anyBuilder(t.Context(), config.Objects{Guardrails: []v1alpha1.Guardrail{*newGuardrail("a", 1), *newGuardrail("b", 2)}})
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
	build := anyBuilder
	c := newTestCompiler(store(t, new(atomic.Int32), newGuardrail("a", 1)), func(o *compilerOptions) {
		o.builder = buildFunc(func(ctx context.Context, objects config.Objects) (*config.Snapshot, []config.Problem, error) {
			return build(ctx, objects)
		})
	})
	if err := c.compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	was := c.Current().ID()
	for name, broken := range map[string]buildFunc{
		"error": func(context.Context, config.Objects) (*config.Snapshot, []config.Problem, error) {
			return nil, nil, errors.New("broken")
		},
		"panic": func(context.Context, config.Objects) (*config.Snapshot, []config.Problem, error) { panic("broken") },
	} {
		build = broken
		if _, err := c.loop.attempt(t.Context()); err == nil || !strings.Contains(err.Error(), map[string]string{"error": "broken", "panic": "panic: string"}[name]) {
			t.Errorf("%s: %v", name, err)
		}
		if c.Current() == nil || c.Current().ID() != was {
			t.Errorf("%s: the configuration is gone", name)
		}
	}
}

// A configuration that does not compile is counted and compiled again, and dependents are notified only once it
// has succeeded.
func TestAFailedCompilationIsTriedAgain(t *testing.T) {
	registry := prometheus.NewRegistry()
	dependent := newTrigger(0)
	notified := fired(t, dependent)
	var builds atomic.Int32
	c := newTestCompiler(store(t, new(atomic.Int32)), func(o *compilerOptions) {
		o.metrics, o.notify = metrics.NewConfiguration(registry), []*trigger{dependent}
		o.builder = buildFunc(func(ctx context.Context, objects config.Objects) (*config.Snapshot, []config.Problem, error) {
			if builds.Add(1) == 1 {
				panic("broken")
			}
			return anyBuilder(ctx, objects)
		})
	})
	started(t, c.loop)
	<-notified
	if c.Current() == nil || builds.Load() != 2 {
		t.Errorf("%d builds", builds.Load())
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "taffrail_snapshot_errors_total" && family.GetMetric()[0].GetCounter().GetValue() != 1 {
			t.Errorf("got %v", family)
		}
	}
}

// Changes that occur during a compilation cause one more compilation.
func TestChangesAreGathered(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	var builds atomic.Int32
	c := newTestCompiler(store(t, new(atomic.Int32)), func(o *compilerOptions) {
		o.builder = buildFunc(func(ctx context.Context, objects config.Objects) (*config.Snapshot, []config.Problem, error) {
			if builds.Add(1) <= 2 {
				began <- struct{}{}
				<-release
			}
			return anyBuilder(ctx, objects)
		})
	})
	stop := started(t, c.loop)
	<-began
	for range 100 {
		c.trigger.fire()
	}
	release <- struct{}{}
	<-began
	release <- struct{}{}
	time.Sleep(3 * settle) // any remaining trigger would have fired by then
	stop()
	if got := builds.Load(); got != 2 {
		t.Errorf("100 changes at once are %d builds", got-1)
	}
}

func TestOnlyChangesOfSpecCompile(t *testing.T) {
	other, injects := newGuardrail("a", 1), newGuardrail("a", 1)
	other.UID = "made-again"
	injects.Status.Injection = &v1alpha1.Injection{}
	before, after := newPolicy("own", "good", 2), newPolicy("own", "good", 2)
	after.Status.LastGood = &v1alpha1.GoodPolicy{Generation: 1, Spec: v1alpha1.PolicySpec{Rego: "better"}}
	for name, test := range map[string]struct {
		before, after client.Object
		want          bool
	}{
		"spec":         {newGuardrail("a", 1), newGuardrail("a", 2), true},
		"made again":   {newGuardrail("a", 1), other, true},
		"injection":    {newGuardrail("a", 1), injects, true},
		"last good":    {before, after, true},
		"status alone": {newGuardrail("a", 1), newGuardrail("a", 1), false},
	} {
		if got := compilesAnew(test.before, test.after); got != test.want {
			t.Errorf("%s: compiles: %v", name, got)
		}
	}
}

// Adding and deleting objects triggers a compilation, too.
func TestEventsCompile(t *testing.T) {
	compile := newTrigger(0)
	runs := fired(t, compile)
	events := compileEvents(compile)
	for _, event := range []func(){
		func() { events.OnAdd(newGuardrail("a", 1), true) },
		func() { events.OnUpdate(newGuardrail("a", 1), newGuardrail("a", 2)) },
		func() { events.OnDelete(newGuardrail("a", 1)) },
	} {
		event()
		<-runs
	}
}
