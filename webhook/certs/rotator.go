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
	// maxResync is the longest time between two reconciliations.
	maxResync = time.Minute
	// retryInterval is the time between a failed reconciliation and the next.
	retryInterval = 2 * time.Second
	// relogInterval is the time after which an error that persists is logged again.
	relogInterval = time.Hour
)

// Options configures a Rotator. All fields are required.
type Options struct {
	// Namespace contains the Secret and the Service.
	Namespace string
	// Secret is the name of an existing Secret, which may be empty.
	Secret string
	// Service is the name of the Service that the API server calls.
	Service string
	// Configuration is the name of both the MutatingWebhookConfiguration and the
	// ValidatingWebhookConfiguration. Either may be missing, temporarily or for good: deleting them
	// is how an engineer on call switches Taffrail off.
	Configuration string
	Lifetimes
}

// Rotator serves the certificate in the Secret, renews it there, and keeps the caBundle of the
// webhook configurations up to date.
type Rotator struct {
	options Options
	client  client.Client
	cached  cache.Cache
	log     logr.Logger
	// onLoad is called with every certificate as it begins to be served.
	onLoad    func(*x509.Certificate)
	triggered chan struct{}
	served    atomic.Pointer[tls.Certificate]
	// last is the most recent failure, nil once a reconciliation succeeds.
	last atomic.Pointer[failure]
	// state and overwritten belong to the goroutine of Run. overwritten is the resourceVersion that
	// the last write of the Secret replaced.
	state       rotationState
	overwritten string
	// configurationsSynced report whether the lists of the webhook configurations have arrived.
	configurationsSynced []toolscache.InformerSynced
}

// failure is an error with the time at which it was last logged.
type failure struct {
	err    error
	logged time.Time
}

var (
	errNotSynced = errors.New("the webhook configurations are not known yet")
	errMissing   = errors.New("one of Namespace, Secret, Service and Configuration is empty")
)

// NewRotator returns a Rotator. It does not contact the API server; Run does. onLoad is called
// with every certificate as it begins to be served.
func NewRotator(config *rest.Config, o Options, log logr.Logger, onLoad func(*x509.Certificate)) (*Rotator, error) {
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
	// RBAC grants access by resource name, which permits a watch only if its field selector is that
	// name.
	named := func(name string) cache.ByObject {
		return cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", name)}
	}
	secret := named(o.Secret)
	secret.Namespaces = map[string]cache.Config{o.Namespace: {}}
	r := &Rotator{options: o, client: writer, log: log, onLoad: onLoad, triggered: make(chan struct{}, 1)}
	r.state = rotationState{lifetimes: o.Lifetimes, name: o.Service + "." + o.Namespace + ".svc"}
	r.cached, err = cache.New(config, cache.Options{
		Scheme: scheme, Mapper: mapper, ReaderFailOnMissingInformer: true,
		DefaultWatchErrorHandler: func(_ context.Context, _ *toolscache.Reflector, err error) { r.recordFailure(err) },
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: secret,
			&admissionregistrationv1.MutatingWebhookConfiguration{}:   named(o.Configuration),
			&admissionregistrationv1.ValidatingWebhookConfiguration{}: named(o.Configuration),
		},
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Get implements tls.Config.GetCertificate.
func (r *Rotator) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := r.served.Load(); pair != nil {
		return pair, nil
	}
	return nil, errNoPair
}

// Ready returns an error until a certificate is served.
func (r *Rotator) Ready() error {
	if r.served.Load() != nil {
		return nil
	}
	if last := r.last.Load(); last != nil {
		return last.err
	}
	return errNoPair
}

// Run rotates the certificate until ctx ends.
func (r *Rotator) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.cached.Start(ctx) })
	group.Go(func() error {
		err := r.watch(ctx)
		if err == nil {
			r.run(ctx)
		}
		if ctx.Err() != nil {
			err = nil // a regular shutdown
		}
		return err
	})
	return group.Wait()
}

// watch starts the informers and returns once the Secret is synced, however long that takes.
func (r *Rotator) watch(ctx context.Context) error {
	// Before the cache has started, GetInformer returns informers that are not synced.
	if !r.cached.WaitForCacheSync(ctx) {
		return ctx.Err()
	}
	handler := toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { r.trigger() },
		UpdateFunc: func(any, any) { r.trigger() },
		DeleteFunc: func(any) { r.trigger() },
	}
	for _, o := range []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}, &corev1.Secret{},
	} {
		// Only the Secret has to be synced: the certificate in it can be served before the
		// configurations are known.
		_, needed := o.(*corev1.Secret)
		informer, err := r.cached.GetInformer(ctx, o, cache.BlockUntilSynced(needed))
		if err != nil {
			return fmt.Errorf("watching %T: %w", o, err)
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("watching %T: %w", o, err)
		}
		if !needed {
			r.configurationsSynced = append(r.configurationsSynced, informer.HasSynced)
		}
	}
	return nil
}

func (r *Rotator) run(ctx context.Context) {
	// If no configuration exists, no event reports that the lists have arrived.
	go func() {
		if toolscache.WaitForCacheSync(ctx.Done(), r.configurationsSynced...) {
			r.trigger()
		}
	}()
	pause := max(time.Second, min(maxResync, r.options.settleTime()/2))
	for ctx.Err() == nil {
		next := pause
		switch err := r.rotate(ctx); {
		case err == nil:
			r.last.Store(nil)
		case errors.Is(err, errNotSynced):
			// The watch error handler logs the failed list.
			next = min(retryInterval, pause)
		case ctx.Err() == nil:
			r.recordFailure(err)
			next = min(retryInterval, pause)
		}
		r.wait(ctx, next)
	}
}

// recordFailure logs each cause when it first occurs, and again every relogInterval while it lasts: the
// reconciliation is retried every two seconds, and a certificate that is not renewed stays valid for weeks.
func (r *Rotator) recordFailure(err error) {
	now := time.Now()
	if last := r.last.Load(); last != nil && last.err.Error() == err.Error() && now.Sub(last.logged) < relogInterval {
		return
	}
	r.last.Store(&failure{err: err, logged: now})
	r.log.Error(err, "Cannot reconcile the certificate, retrying", "secret", r.options.Secret)
}

func (r *Rotator) trigger() {
	select {
	case r.triggered <- struct{}{}:
	default:
	}
}

func (r *Rotator) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.triggered:
	case <-ctx.Done():
	}
}

// serve makes pair the serving certificate.
func (r *Rotator) serve(pair *tls.Certificate) {
	if before := r.served.Load(); before != nil && before.Leaf.Equal(pair.Leaf) {
		return
	}
	r.served.Store(pair)
	r.onLoad(pair.Leaf)
}
