package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// kept is the name of the Secret, the Service and the configurations.
const kept = "taffrail-tls"

// somebodyElses is the caBundle of an entry that does not call Taffrail's Service.
var somebodyElses = []byte("-----BEGIN CERTIFICATE-----\nsomebody else's\n-----END CERTIFICATE-----\n")

// keptConfigurations returns configurations with an entry for Taffrail's Service and one for another. Neither
// is ever called, because no object has the label that they select.
func keptConfigurations() (*admissionregistrationv1.MutatingWebhookConfiguration, *admissionregistrationv1.ValidatingWebhookConfiguration) {
	never := &metav1.LabelSelector{MatchLabels: map[string]string{"test.taffrail.dev/called": "never"}}
	none, fail := admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.Fail
	to := func(service string, bundle []byte) admissionregistrationv1.WebhookClientConfig {
		return admissionregistrationv1.WebhookClientConfig{
			Service: &admissionregistrationv1.ServiceReference{Namespace: harness.SystemNamespace, Name: service}, CABundle: bundle,
		}
	}
	mutating := &admissionregistrationv1.MutatingWebhookConfiguration{TypeMeta: typeMeta("MutatingWebhookConfiguration"), ObjectMeta: metav1.ObjectMeta{Name: kept}}
	validating := &admissionregistrationv1.ValidatingWebhookConfiguration{TypeMeta: typeMeta("ValidatingWebhookConfiguration"), ObjectMeta: metav1.ObjectMeta{Name: kept}}
	mutating.Webhooks = []admissionregistrationv1.MutatingWebhook{{
		Name: "mutate.taffrail.dev", ClientConfig: to(kept, nil), ObjectSelector: never, SideEffects: &none, FailurePolicy: &fail,
		AdmissionReviewVersions: []string{"v1"},
	}}
	for _, entry := range []struct {
		name, service string
		bundle        []byte
	}{{"validate.taffrail.dev", kept, nil}, {"config.taffrail.dev", kept, nil}, {"validate.example.com", "another", somebodyElses}} {
		validating.Webhooks = append(validating.Webhooks, admissionregistrationv1.ValidatingWebhook{
			Name: entry.name, ClientConfig: to(entry.service, entry.bundle), ObjectSelector: never, SideEffects: &none, FailurePolicy: &fail,
			AdmissionReviewVersions: []string{"v1"},
		})
	}
	return mutating, validating
}

// keptBundles returns the caBundles of the entries that call Taffrail.
func keptBundles(ctx context.Context) ([][]byte, error) {
	mutating, validating := keptConfigurations()
	if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(mutating), mutating); err != nil {
		return nil, err
	}
	if err := cluster.Admin.Client.Get(ctx, client.ObjectKeyFromObject(validating), validating); err != nil {
		return nil, err
	}
	if got := validating.Webhooks[2].ClientConfig.CABundle; string(got) != string(somebodyElses) {
		return nil, fmt.Errorf("the caBundle of another Service was written: %s", got)
	}
	return [][]byte{
		mutating.Webhooks[0].ClientConfig.CABundle, validating.Webhooks[0].ClientConfig.CABundle, validating.Webhooks[1].ClientConfig.CABundle,
	}, nil
}

// accepted connects to each server as the API server does, trusting what each entry trusts, and returns the
// certificate that all of them serve.
func accepted(ctx context.Context, servers ...*harness.Server) (*x509.Certificate, error) {
	bundles, err := keptBundles(ctx)
	if err != nil {
		return nil, err
	}
	var one *x509.Certificate
	for _, bundle := range bundles {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(bundle) {
			return nil, errors.New("an entry has no caBundle")
		}
		for _, server := range servers {
			dialer := &tls.Dialer{Config: &tls.Config{
				RootCAs: roots, ServerName: kept + "." + harness.SystemNamespace + ".svc", MinVersion: tls.VersionTLS13,
			}}
			connection, err := dialer.DialContext(ctx, "tcp", server.Address())
			if err != nil {
				return nil, err
			}
			shown := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
			if err := connection.Close(); err != nil {
				return nil, err
			}
			if one != nil && !shown.Equal(one) {
				return nil, errors.New("two servers show two certificates")
			}
			one = shown
		}
	}
	return one, nil
}

// changeSecret changes the Secret as an administrator would, despite concurrent writes.
func changeSecret(t *testing.T, change func(data map[string][]byte)) {
	t.Helper()
	must(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		secret := &corev1.Secret{}
		if err := cluster.Admin.Client.Get(t.Context(), client.ObjectKey{Namespace: harness.SystemNamespace, Name: kept}, secret); err != nil {
			return err
		}
		change(secret.Data)
		return cluster.Admin.Client.Update(t.Context(), secret)
	}))
}

// Two servers start with an empty Secret, as after helm install, and then everything happens that may happen to
// it.
func TestCertificateIsKept(t *testing.T) {
	mutating, validating := keptConfigurations()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: harness.SystemNamespace, Name: kept}}
	for _, o := range []client.Object{secret, mutating, validating} {
		must(t, cluster.Admin.Client.Create(t.Context(), o))
		t.Cleanup(func() { must(t, cluster.Admin.Client.Delete(context.WithoutCancel(t.Context()), o)) })
	}
	one := newServer(t, harness.ServerOptions{Name: "kept-one", TLSSecret: kept})
	two := newServer(t, harness.ServerOptions{Name: "kept-two", TLSSecret: kept})

	var last *x509.Certificate
	holds := func(what string, check func(now *x509.Certificate) error) {
		t.Helper()
		eventually(t, "the API server to accept both servers after: "+what, func(ctx context.Context) error {
			now, err := accepted(ctx, one, two)
			if err != nil {
				return err
			}
			if err := check(now); err != nil {
				return err
			}
			last = now
			return nil
		})
	}
	same := func(now *x509.Certificate) error {
		if !now.Equal(last) {
			return errors.New("it is another certificate")
		}
		return nil
	}
	changed := func(now *x509.Certificate) error {
		if now.Equal(last) {
			return errors.New("it is still the same certificate")
		}
		return nil
	}
	holds("the installation", func(*x509.Certificate) error { return nil })
	must(t, one.Ready(t.Context()))

	must(t, one.Stop())
	must(t, one.Start(t.Context()))
	holds("a restart", same)

	// A tool resets the configurations to what the chart renders.
	mutating, validating = keptConfigurations()
	must(t, cluster.Apply(t.Context(), mutating, validating))
	holds("the caBundles are gone", same)
	must(t, cluster.Admin.Client.Delete(t.Context(), validating))
	_, validating = keptConfigurations()
	must(t, cluster.Admin.Client.Create(t.Context(), validating))
	holds("a configuration is deleted and made again", same)

	authority := last.AuthorityKeyId
	changeSecret(t, func(data map[string][]byte) { delete(data, "tls.crt") })
	holds("the certificate is deleted", func(now *x509.Certificate) error {
		if string(now.AuthorityKeyId) != string(authority) {
			return errors.New("the authority was replaced too")
		}
		return changed(now)
	})
	changeSecret(t, func(data map[string][]byte) { data["ca.key"] = []byte("garbage") })
	eventually(t, "the next authority to be trusted next to the one whose key is lost", func(ctx context.Context) error {
		bundles, err := keptBundles(ctx)
		for _, bundle := range bundles {
			if n := strings.Count(string(bundle), "BEGIN CERTIFICATE"); n != 2 && err == nil {
				err = fmt.Errorf("%d authorities", n)
			}
		}
		return err
	})
	holds("the key of the authority is damaged", same)
	changeSecret(t, func(data map[string][]byte) { data["tls.key"] = []byte("garbage") })
	holds("the key is damaged", changed)
	changeSecret(t, func(data map[string][]byte) { clear(data) })
	holds("the Secret is emptied", func(now *x509.Certificate) error {
		if string(now.AuthorityKeyId) == string(authority) {
			return errors.New("it is still the same authority")
		}
		return changed(now)
	})
}

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: kind}
}
