package server

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// named is a snapshot that is nothing but its id.
type named struct {
	admission.Decider
	id string
}

func (n named) ID() string                  { return n.id }
func (named) Guardrails() int               { return 0 }
func (named) Bindings() int                 { return 0 }
func (named) Exemptions() config.Exemptions { return nil }
func (named) Honoured(*config.Exemption, func(name string) decision.Namespace, time.Time) []config.Honoured {
	return nil
}
func (named) Catalog() *rego.Catalog { return &rego.Catalog{} }
func (named) Set() config.Guardrails { return nil }

func (named) Injecting(decision.Mode) map[string][]pipeline.Injecting { return nil }

func (named) Selected(string, []decision.Namespace) []decision.Namespace { return nil }

func (named) Versions() map[string]pipeline.Version { return nil }

func (named) Conflicts(context.Context, func(context.Context) ([]decision.Namespace, error)) (map[string][]pipeline.Conflict, error) {
	return nil, nil
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

// joinNames is a build whose snapshot id is the names.
func joinNames(_ context.Context, objects config.Objects) (snapshot, []pipeline.Problem, error) {
	names := make([]string, len(objects.Guardrails))
	for i := range objects.Guardrails {
		names[i] = objects.Guardrails[i].Name
	}
	slices.Sort(names)
	return named{id: strings.Join(names, ",")}, nil, nil
}

func newTestCompiler(reader client.Reader) *compiler {
	c := newCompiler()
	c.reader, c.log, c.told, c.build = reader, logr.Discard(), func() {}, joinNames
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
	if got := c.Current().ID(); got != "a,b" || c.ready() != nil {
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
	for name, build := range map[string]func(context.Context, config.Objects) (snapshot, []pipeline.Problem, error){
		"error": func(context.Context, config.Objects) (snapshot, []pipeline.Problem, error) {
			return nil, nil, errors.New("broken")
		},
		"panic": func(context.Context, config.Objects) (snapshot, []pipeline.Problem, error) { panic("broken") },
	} {
		c.build = build
		if err := c.compile(t.Context()); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%s: %v", name, err)
		}
		if c.Current() == nil || c.Current().ID() != "a" {
			t.Errorf("%s: the configuration is gone", name)
		}
	}
}

// Changes that come while a configuration is compiled are one more compilation.
func TestChangesAreGathered(t *testing.T) {
	c := newTestCompiler(store(t, new(atomic.Int32)))
	began, release := make(chan struct{}), make(chan struct{})
	var builds atomic.Int32
	c.build = func(ctx context.Context, objects config.Objects) (snapshot, []pipeline.Problem, error) {
		if builds.Add(1) <= 2 {
			began <- struct{}{}
			<-release
		}
		return joinNames(ctx, objects)
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
