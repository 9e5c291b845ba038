package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// fromStore is a cache that is never behind.
type fromStore struct {
	cache.Cache
	client.Reader
}

func (f fromStore) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return f.Reader.Get(ctx, key, o, opts...)
}

func (f fromStore) List(ctx context.Context, l client.ObjectList, opts ...client.ListOption) error {
	return f.Reader.List(ctx, l, opts...)
}

// faults has the errors of operations by kind, as in "get Secret".
type faults map[string]error

func (f faults) of(verb string, o client.Object) error {
	switch o.(type) {
	case *corev1.Secret:
		return f[verb+" Secret"]
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		return f[verb+" MutatingWebhookConfiguration"]
	case *admissionregistrationv1.ValidatingWebhookConfiguration:
		return f[verb+" ValidatingWebhookConfiguration"]
	}
	return nil
}

// newTestRotator stores an empty Secret and both webhook configurations, and makes the operations in f fail.
func newTestRotator(t *testing.T, f faults) (*Rotator, client.Client, *[]*x509.Certificate) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), admissionregistrationv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	here := admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Namespace: "taffrail-system", Name: "taffrail"}}
	named := metav1.ObjectMeta{Name: "taffrail"}
	store := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "taffrail-system", Name: "tls"}},
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: named, Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: "a.taffrail.dev", ClientConfig: here}}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: named, Webhooks: []admissionregistrationv1.ValidatingWebhook{{Name: "b.taffrail.dev", ClientConfig: here}}},
	).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := f.of("get", o); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if err := f.of("patch", o); err != nil {
				return err
			}
			return c.Patch(ctx, o, p, opts...)
		},
	}).Build()
	var served []*x509.Certificate
	r := &Rotator{
		options: Options{
			Namespace: "taffrail-system", Secret: "tls", Service: "taffrail", Configuration: "taffrail",
			Lifetimes: Lifetimes{Certificate: 24 * time.Hour, Authority: 90 * 24 * time.Hour},
		},
		client: store, cached: fromStore{Reader: store}, log: logr.Discard(),
		onLoad:               func(c *x509.Certificate) { served = append(served, c) },
		configurationsSynced: []toolscache.InformerSynced{func() bool { return true }, func() bool { return true }},
	}
	r.state = rotationState{lifetimes: r.options.Lifetimes, name: name}
	return r, store, &served
}

// bundles returns the caBundles of both webhook configurations.
func bundles(t *testing.T, store client.Client, f faults) (all [][]byte) {
	t.Helper()
	clear(f)
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	var validating admissionregistrationv1.ValidatingWebhookConfiguration
	if err := store.Get(t.Context(), client.ObjectKey{Name: "taffrail"}, &mutating); err == nil {
		all = append(all, mutating.Webhooks[0].ClientConfig.CABundle)
	}
	if err := store.Get(t.Context(), client.ObjectKey{Name: "taffrail"}, &validating); err == nil {
		all = append(all, validating.Webhooks[0].ClientConfig.CABundle)
	}
	return all
}

func TestACertificateIsMadeTrustedAndServed(t *testing.T) {
	f := faults{}
	r, store, served := newTestRotator(t, f)
	if r.Ready() == nil {
		t.Error("ready without a certificate")
	}
	for range 3 {
		if err := r.rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(*served) != 1 || r.Ready() != nil {
		t.Errorf("%d certificates were served, %v", len(*served), r.Ready())
	}
	pair, err := r.Get(nil)
	if err != nil || !pair.Leaf.Equal((*served)[0]) {
		t.Errorf("served %v, %v", pair, err)
	}
	all := bundles(t, store, f)
	if len(all) != 2 {
		t.Fatalf("%d configurations", len(all))
	}
	for _, bundle := range all {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(bundle)
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
			t.Errorf("the API server does not trust what is served: %v", err)
		}
	}
}

// Every call to the API server may fail. The error is reported, and the next attempt repeats what failed.
func TestRotatorReportsEveryFailure(t *testing.T) {
	broken := errors.New("the API server is unavailable")
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "tls", broken)
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "tls")
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "tls", broken)
	const secret, mutating, validating = "Secret", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"
	for _, test := range []struct {
		call  string
		err   error
		fails bool
	}{
		{"get " + secret, broken, true}, {"get " + secret, forbidden, true}, {"get " + secret, missing, true},
		{"get " + mutating, broken, true}, {"get " + mutating, forbidden, true}, {"get " + mutating, missing, false},
		{"get " + validating, broken, true}, {"get " + validating, forbidden, true}, {"get " + validating, missing, false},
		{"patch " + secret, broken, true}, {"patch " + secret, forbidden, true}, {"patch " + secret, missing, true}, {"patch " + secret, conflict, false},
		{"patch " + mutating, broken, true}, {"patch " + mutating, forbidden, true}, {"patch " + mutating, missing, false}, {"patch " + mutating, conflict, false},
		{"patch " + validating, broken, true}, {"patch " + validating, forbidden, true}, {"patch " + validating, missing, false}, {"patch " + validating, conflict, false},
	} {
		f := faults{test.call: test.err}
		r, store, _ := newTestRotator(t, f)
		var err error
		for range 2 { // the Secret first, then the configurations that trust it
			if err = r.rotate(t.Context()); err != nil {
				break
			}
		}
		if (err != nil) != test.fails || test.fails && !errors.Is(err, test.err) {
			t.Errorf("%s: %v: got %v", test.call, test.err, err)
		}
		clear(f)
		for range 2 {
			if err := r.rotate(t.Context()); err != nil {
				t.Errorf("%s: %v: once it works again: %v", test.call, test.err, err)
			}
		}
		for _, bundle := range bundles(t, store, f) {
			if len(bundle) == 0 {
				t.Errorf("%s: %v: once it works again, a configuration trusts nothing", test.call, test.err)
			}
		}
	}
}

// While the existing webhook configurations are unknown, none may count as trusting a new authority.
func TestNothingIsRenewedBeforeWhoTrustsItIsKnown(t *testing.T) {
	for at := range 2 {
		f := faults{}
		r, store, _ := newTestRotator(t, f)
		r.configurationsSynced[at] = func() bool { return false }
		if err := r.rotate(t.Context()); !errors.Is(err, errNotSynced) {
			t.Errorf("got %v", err)
		}
		var secret corev1.Secret
		if err := store.Get(t.Context(), client.ObjectKey{Namespace: "taffrail-system", Name: "tls"}, &secret); err != nil || len(secret.Data) > 0 {
			t.Errorf("%d entries were written, %v", len(secret.Data), err)
		}
	}
}

func TestWhoIsNotReadySaysWhy(t *testing.T) {
	r, _, _ := newTestRotator(t, nil)
	first, second := errors.New("first"), errors.New("second")
	for _, err := range []error{first, first, second} {
		r.recordFailure(err)
		if got := r.Ready(); !errors.Is(got, err) {
			t.Errorf("got %v, want %v", got, err)
		}
	}
	if _, err := r.Get(nil); err == nil {
		t.Error("a certificate is served that there is not")
	}
}
