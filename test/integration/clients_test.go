package integration

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"taffrail.dev/test/harness"
	"taffrail.dev/test/hostile"
)

// If the API server has a client certificate, nobody else gets a decision.
func TestOnlyTheAPIServerMayAsk(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "clients", Clients: []string{harness.APIServerName}})
	registration := unique("clients")
	register(t, harness.Registration{Name: registration, Address: server.Address(), FailurePolicy: admissionregistrationv1.Fail})
	namespace := newNamespace(t, registration, enforced, servedBy(registration))
	must(t, cluster.AwaitEnforcement(t.Context(), namespace))

	stranger, err := harness.NewAuthority()
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cluster.Authority.PEM)
	post := func(by *harness.Authority, name, path string) (int, string) {
		t.Helper()
		config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
		if by != nil {
			certificate, key, err := by.IssueClient(name)
			must(t, err)
			pair, err := tls.X509KeyPair(certificate, key)
			must(t, err)
			// Present the certificate whichever CAs the server announces.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+server.Address()+path, strings.NewReader("{}"))
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return 0, err.Error()
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		must(t, err)
		return response.StatusCode, string(text)
	}
	counted := func() string {
		t.Helper()
		metrics, err := server.Metrics(t.Context())
		must(t, err)
		var lines []string
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, "taffrail_requests_total") || strings.HasPrefix(line, "taffrail_errors_total") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "")
	}
	before := counted()
	for _, path := range []string{"/validate", "/mutate", "/relax", "/config", "/healthz", "/readyz", "/nowhere"} {
		// The handshake fails for everyone else.
		if status, text := post(nil, "", path); status != 0 || !strings.Contains(text, "tls:") {
			t.Errorf("%s without a certificate: HTTP %d %s", path, status, text)
		}
		if status, text := post(cluster.Authority, "somebody", path); status != 0 || !strings.Contains(text, "tls:") {
			t.Errorf("%s as somebody: HTTP %d %s", path, status, text)
		}
		if status, text := post(stranger, harness.APIServerName, path); status != 0 || !strings.Contains(text, "tls:") {
			t.Errorf("%s by another authority: HTTP %d %s", path, status, text)
		}
	}
	if after := counted(); after != before {
		t.Errorf("callers that were turned away are counted:\n%s", diff(before, after))
	}
	for _, path := range []string{"/validate", "/mutate", "/relax", "/config"} {
		// With the certificate the request is read, and rejected as it is not a review.
		if status, text := post(cluster.Authority, harness.APIServerName, path); status != http.StatusBadRequest {
			t.Errorf("%s as the API server: HTTP %d %s", path, status, text)
		}
	}
	must(t, server.Ready(t.Context()))
}

// If the API server has a client certificate, attacks fail in the handshake.
func TestStrangersDoNotGetPastTheHandshake(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "strangers", Clients: []string{harness.APIServerName}, MaxInFlightBytes: chartBytes})
	namespaces := breakable(t, "strangers", server.Address())
	for _, namespace := range []string{namespaces.ignore, namespaces.fail} {
		must(t, cluster.AwaitEnforcement(t.Context(), namespace))
	}
	silences(t, server, namespaces, hostile.Start(t.Context(), server.Address(), map[hostile.Sort]int{
		hostile.Announced: 20, hostile.Ordinary: 20, hostile.Endless: 5, hostile.Idle: 20, hostile.Silent: 20,
	}))
	metrics, err := server.Metrics(t.Context())
	must(t, err)
	if !strings.Contains(metrics, "\ntaffrail_errors_total{reason=\"slow\"} 0\n") {
		t.Error("a stranger's body was waited for")
	}
}
