package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// longestPause is how long the keeper looks at nothing where nothing changes.
	longestPause = time.Minute
	// retry is how long to wait after what failed.
	retry = 2 * time.Second
	// reminding is how often what goes on failing is logged.
	reminding = time.Hour
)

// Options of a Keeper; all are required.
type Options struct {
	// Namespace has the Secret and the Service.
	Namespace string
	// Secret is the name of a Secret that is there; it may be empty.
	Secret string
	// Service is the name of the Service that the API server calls.
	Service string
	// Configuration is the name of the MutatingWebhookConfiguration and of the
	// ValidatingWebhookConfiguration. Either may be missing, for a while or forever:
	// deleting them is how an engineer on call switches Taffrail off.
	Configuration string
	Lifetimes
}

// Keeper has the serving certificate of the Secret, renews it there, and keeps the
// caBundle of the webhook configurations.
type Keeper struct {
	options Options
	client  client.Client
	cached  cache.Cache
	log     logr.Logger
	// loaded is told of every certificate that is served from now on.
	loaded func(*x509.Certificate)
	kicked chan struct{}
	served atomic.Pointer[tls.Certificate]
	// last is what failed last, nil once nothing does.
	last atomic.Pointer[failure]
	// mind is Run's alone, and so is replaced, the version of the Secret that it wrote over.
	mind     mind
	replaced string
	// configured tell whether all webhook configurations are known.
	configured []toolscache.InformerSynced
}

// failure is an error, and when it was logged.
type failure struct {
	err    error
	logged time.Time
}

var (
	errUnknown = errors.New("the webhook configurations are not known yet")
	errMissing = errors.New("one of Namespace, Secret, Service and Configuration is empty")
)

// NewKeeper does not reach for the API server. loaded is told of every certificate when
// it begins to be served.
func NewKeeper(config *rest.Config, o Options, log logr.Logger, loaded func(*x509.Certificate)) (*Keeper, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Namespace == "" || o.Secret == "" || o.Service == "" || o.Configuration == "" {
		return nil, errMissing
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), admissionregistrationv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	mapper.Add(admissionregistrationv1.SchemeGroupVersion.WithKind("MutatingWebhookConfiguration"), meta.RESTScopeRoot)
	mapper.Add(admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingWebhookConfiguration"), meta.RESTScopeRoot)
	writer, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	// RBAC grants these objects by name, and a watch of one name is granted so too.
	named := func(name string) cache.ByObject {
		return cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", name)}
	}
	secret := named(o.Secret)
	secret.Namespaces = map[string]cache.Config{o.Namespace: {}}
	k := &Keeper{options: o, client: writer, log: log, loaded: loaded, kicked: make(chan struct{}, 1)}
	k.mind = mind{lifetimes: o.Lifetimes, name: o.Service + "." + o.Namespace + ".svc"}
	k.cached, err = cache.New(config, cache.Options{
		Scheme: scheme, Mapper: mapper, ReaderFailOnMissingInformer: true,
		DefaultWatchErrorHandler: func(_ context.Context, _ *toolscache.Reflector, err error) { k.failed(err) },
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: secret,
			&admissionregistrationv1.MutatingWebhookConfiguration{}:   named(o.Configuration),
			&admissionregistrationv1.ValidatingWebhookConfiguration{}: named(o.Configuration),
		},
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Get is a tls.Config.GetCertificate.
func (k *Keeper) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := k.served.Load(); pair != nil {
		return pair, nil
	}
	return nil, errNoPair
}

// Ready is a health check.
func (k *Keeper) Ready() error {
	if k.served.Load() != nil {
		return nil
	}
	if last := k.last.Load(); last != nil {
		return last.err
	}
	return errNoPair
}

// Run keeps until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return k.cached.Start(ctx) })
	group.Go(func() error {
		err := k.watch(ctx)
		if err == nil {
			k.run(ctx)
		}
		if ctx.Err() != nil {
			err = nil // it ended as it was told to
		}
		return err
	})
	return group.Wait()
}

// watch returns once the first lists have arrived, and tries for as long as that takes.
func (k *Keeper) watch(ctx context.Context) error {
	// Before the cache has started, informers come back without having been synced.
	if !k.cached.WaitForCacheSync(ctx) {
		return ctx.Err()
	}
	handler := toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { k.kick() },
		UpdateFunc: func(any, any) { k.kick() },
		DeleteFunc: func(any) { k.kick() },
	}
	for _, o := range []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}, &corev1.Secret{},
	} {
		// What is in the Secret can be served before all that trust it are known.
		_, needed := o.(*corev1.Secret)
		informer, err := k.cached.GetInformer(ctx, o, cache.BlockUntilSynced(needed))
		if err != nil {
			return fmt.Errorf("watching %T: %w", o, err)
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("watching %T: %w", o, err)
		}
		if !needed {
			k.configured = append(k.configured, informer.HasSynced)
		}
	}
	return nil
}

func (k *Keeper) run(ctx context.Context) {
	// Where there is none, no event tells that.
	go func() {
		if toolscache.WaitForCacheSync(ctx.Done(), k.configured...) {
			k.kick()
		}
	}()
	pause := max(time.Second, min(longestPause, k.options.settling()/2))
	for ctx.Err() == nil {
		next := pause
		switch err := k.keep(ctx); {
		case err == nil:
			k.last.Store(nil)
		case errors.Is(err, errUnknown):
			// A list that fails is told by its watch.
			next = min(retry, pause)
		case ctx.Err() == nil:
			k.failed(err)
			next = min(retry, pause)
		}
		k.wait(ctx, next)
	}
}

// failed logs each cause when it comes up, and again while it lasts: what fails is tried
// every other second, and a certificate that is not renewed works for weeks.
func (k *Keeper) failed(err error) {
	now := time.Now()
	if last := k.last.Load(); last != nil && last.err.Error() == err.Error() && now.Sub(last.logged) < reminding {
		return
	}
	k.last.Store(&failure{err: err, logged: now})
	k.log.Error(err, "The certificate cannot be kept, trying again", "secret", k.options.Secret)
}

func (k *Keeper) kick() {
	select {
	case k.kicked <- struct{}{}:
	default:
	}
}

func (k *Keeper) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.kicked:
	case <-ctx.Done():
	}
}

// serve begins to serve a pair.
func (k *Keeper) serve(pair *tls.Certificate) {
	if before := k.served.Load(); before != nil && before.Leaf.Equal(pair.Leaf) {
		return
	}
	k.served.Store(pair)
	k.loaded(pair.Leaf)
}
