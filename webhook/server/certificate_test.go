package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"taffrail.dev/webhook/certs"
)

// writePair writes a certificate with the given serial number, and its key.
func writePair(t *testing.T, folder string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "taffrail"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
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

func insecure(version uint16) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}}
}

func TestCertificateAppearsAndChanges(t *testing.T) {
	folder := t.TempDir()
	c := certs.NewFiles(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"), logr.Discard(), func(*x509.Certificate) {})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newHTTPServer(http.NotFoundHandler(), logr.Discard(), withTLS(c.Get))
	go server.ServeTLS(listener, "", "") //nolint:errcheck // ends with the test
	defer server.Close()
	serial := func() int64 {
		connection, err := tls.Dial("tcp", listener.Addr().String(), insecure(tls.VersionTLS13))
		if err != nil {
			return 0
		}
		defer connection.Close()
		state := connection.ConnectionState()
		if state.NegotiatedProtocol != "http/1.1" || state.Version != tls.VersionTLS13 {
			t.Errorf("negotiated %q over %x", state.NegotiatedProtocol, state.Version)
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}

	if c.Ready() == nil || serial() != 0 {
		t.Error("serves without a certificate")
	}
	writePair(t, folder, 1)
	eventually(t, "loading", func() bool { return c.Ready() == nil })
	if got := serial(); got != 1 {
		t.Errorf("serial %d", got)
	}
	writePair(t, folder, 2)
	eventually(t, "the change", func() bool { return serial() == 2 })

	if err := os.WriteFile(filepath.Join(folder, "tls.crt"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if c.Ready() != nil || serial() != 2 {
		t.Error("a bad file took the good certificate away")
	}
	if _, err := tls.Dial("tcp", listener.Addr().String(), insecure(tls.VersionTLS12)); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
