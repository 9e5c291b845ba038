package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"taffrail.dev/webhook/certs"
)

// newClient returns a CA certificate in PEM, and a client certificate signed by it.
func newClient(t *testing.T, name string) (authority []byte, pair tls.Certificate) {
	t.Helper()
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
	}
	issue := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	root := template(1, "authority")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	der, signer := issue(root, root, nil)
	leaf := template(2, name)
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	leafDER, key := issue(leaf, root, signer)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}
}

func TestClientsAreVerifiedByWhatTheFileHoldsNow(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "ca.crt")
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(clock.Load(), 0) }
	write := func(content []byte) {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		clock.Add(1)
	}
	names := []string{"kube-apiserver"}
	if _, err := newClients(file, names, logr.Discard(), now); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write([]byte("garbage"))
	_, err := newClients(file, names, logr.Discard(), now)
	if _, none := errors.AsType[*NoAuthorityError](err); !none {
		t.Errorf("a file without a certificate: %v", err)
	}
	firstAuthority, first := newClient(t, "kube-apiserver")
	secondAuthority, second := newClient(t, "kube-apiserver")
	_, stranger := newClient(t, "kube-apiserver")
	somebodysAuthority, somebody := newClient(t, "somebody")
	write(firstAuthority)
	known, err := newClients(file, names, logr.Discard(), now)
	if err != nil {
		t.Fatal(err)
	}

	certFile, keyFile := writePair(t, folder, 1)
	c := certs.NewFiles(certFile, keyFile, logr.Discard(), func(*x509.Certificate) {})
	go c.Run(t.Context()) //nolint:errcheck // returns nil
	eventually(t, "loading", func() bool { return c.Ready() == nil })
	mux := http.NewServeMux()
	(&health{}).register(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "decided") })
	server := newHTTPServer(mux, logr.Discard(), withTLS(c.Get), known.require)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.ServeTLS(listener, "", "") //nolint:errcheck // ends with the test
	defer server.Close()

	// Each client has its own cache, so that it could resume a session from before a change.
	sessions := map[*tls.Certificate]tls.ClientSessionCache{}
	for _, pair := range []*tls.Certificate{nil, &first, &second, &stranger, &somebody} {
		sessions[pair] = tls.NewLRUClientSessionCache(8)
	}
	ask := func(path string, pair *tls.Certificate) int {
		config := insecure(0)
		config.ClientSessionCache = sessions[pair]
		if pair != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		response, err := client.Post("https://"+listener.Addr().String()+path, "application/json", nil)
		if err != nil {
			return 0
		}
		response.Body.Close()
		return response.StatusCode
	}
	want := func(what string, got, status int) {
		t.Helper()
		if got != status {
			t.Errorf("%s: HTTP %d, want %d", what, got, status)
		}
	}
	want("nobody", ask("/validate", nil), 0)
	want("nobody, about health", ask("/healthz", nil), 0)
	want("a stranger", ask("/validate", &stranger), 0)
	want("the first", ask("/validate", &first), http.StatusOK)
	want("the first again", ask("/validate", &first), http.StatusOK)
	write([]byte("garbage"))
	want("the first, with the file damaged", ask("/validate", &first), http.StatusOK)
	write(secondAuthority)
	want("the first, whose authority is gone", ask("/validate", &first), 0)
	want("the second", ask("/validate", &second), http.StatusOK)
	write(somebodysAuthority)
	want("another name", ask("/validate", &somebody), 0)
}
