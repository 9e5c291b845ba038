package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// stub is a webhook that answers every request with the same HTTP status.
type stub struct {
	address string
	asked   atomic.Int64
}

func newStub(t *testing.T, status int, body string) *stub {
	t.Helper()
	certificate, key, err := cluster.Authority.Issue()
	must(t, err)
	pair, err := tls.X509KeyPair(certificate, key)
	must(t, err)
	s := &stub{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	s.address = strings.TrimPrefix(server.URL, "https://")
	return s
}

// After an HTTP error, failurePolicy alone decides about a request. Taffrail's own errors depend on this.
func TestWebhookThatAnswersErrors(t *testing.T) {
	t.Parallel()
	webhook := newStub(t, http.StatusInternalServerError, "taffrail: policy image-tag could not be evaluated, see Taffrail's log\n")
	namespaces := breakable(t, "errors", webhook.address)
	const words = `failed calling webhook "validate.taffrail.dev"`
	eventually(t, "the API server to call the webhooks", func(ctx context.Context) error {
		for _, namespace := range []string{namespaces.ignore, namespaces.fail} {
			asked := webhook.asked.Load()
			cluster.Alice.Create(ctx, chapter(t, "23_service", namespace), client.DryRunAll)
			if webhook.asked.Load() == asked {
				return errors.New("not called for " + namespace)
			}
		}
		return nil
	})
	failedOpen(t, "Ignore", cluster.Alice.Create(t.Context(), chapter(t, "01_nginx", namespaces.ignore)))
	answer := cluster.Alice.Create(t.Context(), chapter(t, "22_deployment", namespaces.fail))
	failedClosed(t, "Fail", answer, words)
	// The reason is reported.
	failedClosed(t, "Fail", answer, "policy image-tag could not be evaluated")
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespaces.fail, Name: "unasked"}}
	admit(t, "a ServiceAccount", cluster.Alice.Create(t.Context(), account))
}
