package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const unreachable = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {}}]
current-context: c
`

// serving returns a command line that would serve, plus additional flags.
func serving(t *testing.T, more ...string) []string {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"tls.crt":    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		"tls.key":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
		"kubeconfig": []byte(unreachable),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return append([]string{
		"serve", "--tls-cert-file=" + filepath.Join(dir, "tls.crt"), "--tls-private-key-file=" + filepath.Join(dir, "tls.key"),
		"--kubeconfig=" + filepath.Join(dir, "kubeconfig"), "--bind-address=127.0.0.1:0", "--metrics-bind-address=127.0.0.1:0",
		"--drain-delay=0s", "--namespace=taffrail-system",
	}, more...)
}

// A server that fails exits with an error, so that the kubelet restarts it and reports why.
func TestAServerThatFailsExitsWithAnError(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct{ flag, want string }{
		"the address is taken":       {"--bind-address=" + taken.Addr().String(), "in use"},
		"the metrics' address is":    {"--metrics-bind-address=" + taken.Addr().String(), "in use"},
		"no authorities of clients":  {"--client-ca-file=" + missing, missing},
		"no kubeconfig":              {"--kubeconfig=" + missing, missing},
		"an address that is not one": {"--bind-address=nowhere", "nowhere"},
	} {
		exit, _, stderr := execute(strings.NewReader(""), serving(t, test.flag)...)
		if exit != exitError || !strings.Contains(stderr, "error: ") || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit code %d: %s", name, exit, stderr)
		}
	}
}

func TestServeRefusesFlagsThatDoNotGoTogether(t *testing.T) {
	for name, test := range map[string]struct {
		flags []string
		want  string
	}{
		"no requests in flight":     {[]string{"--max-in-flight=0"}, "must be positive"},
		"no bytes in flight":        {[]string{"--max-in-flight-bytes=0"}, "must be positive"},
		"fewer than none":           {[]string{"--max-in-flight=-1"}, "must be positive"},
		"no grace":                  {[]string{"--shutdown-grace=0s"}, "must be positive"},
		"excuses never":             {[]string{"--exemption-usage-interval=0s"}, "must be positive"},
		"by the old name":           {[]string{"--excuses-interval=0s"}, "--exemption-usage-interval"},
		"would-deny never":          {[]string{"--would-deny-interval=0s"}, "must be positive"},
		"names without authorities": {[]string{"--client-names=kube-apiserver"}, "--client-ca-file"},
		"no address for probes":     {[]string{"--client-ca-file=ca.crt", "--metrics-bind-address=0"}, "--metrics-bind-address"},
		"no such mode":              {[]string{"--max-mode=none"}, "max-mode"},
		"no such level":             {[]string{"--log-level=loud"}, "log-level"},
		"no such format":            {[]string{"--log-format=xml"}, "log-format"},
		"an argument":               {[]string{"more"}, "more"},
	} {
		exit, _, stderr := execute(strings.NewReader(""), serving(t, test.flags...)...)
		if exit != exitError || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, "Run 'taffrail serve --help' for usage.") {
			t.Errorf("%s: exit code %d: %s", name, exit, stderr)
		}
	}
	for name, flags := range map[string][]string{
		"no certificate":               {"serve"},
		"a certificate, no key":        {"serve", "--tls-cert-file=tls.crt"},
		"two certificates":             serving(t, "--tls-secret=tls"),
		"a lifetime that is too short": {"serve", "--tls-secret=tls", "--certificate-validity=1m", "--ca-validity=2m"},
	} {
		if exit, _, stderr := execute(strings.NewReader(""), flags...); exit != exitError || !strings.Contains(stderr, "error: ") {
			t.Errorf("%s: exit code %d: %s", name, exit, stderr)
		}
	}
}
