package server

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"taffrail.dev/webhook/certs"
)

func TestReadyzSaysWhatIsMissing(t *testing.T) {
	missing := errors.New("not yet")
	h := &health{checks: []check{
		{"certificate", func() error { return nil }},
		{"configuration", func() error { return missing }},
	}}
	mux := http.NewServeMux()
	h.register(mux)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		change func()
		status int
		text   string
	}{
		{func() {}, 503, "[+]certificate ok\n[-]configuration: not yet\n[+]serving ok\n"},
		{func() { missing = nil }, 200, "[+]certificate ok\n[+]configuration ok\n[+]serving ok\n"},
		{func() { h.stopping.Store(true) }, 503, "[+]certificate ok\n[+]configuration ok\n[-]serving: stopping\n"},
	} {
		c.change()
		if status, text := get("/readyz"); status != c.status || text != c.text {
			t.Errorf("%d %q, want %d %q", status, text, c.status, c.text)
		}
		if status, text := get("/healthz"); status != 200 || text != "ok\n" {
			t.Errorf("healthz: %d %q", status, text)
		}
	}
}

// steps records the order of events.
type steps struct {
	mu    sync.Mutex
	taken []string
}

func (s *steps) add(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, step)
}

func (s *steps) Drain() { s.add("drain") }
func (s *steps) Stop()  { s.add("stop") }

func TestFrontLosesNoRequest(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := writePair(t, folder, 1)
	c := certs.NewFiles(certFile, keyFile, logr.Discard(), func(*x509.Certificate) {})
	go c.Run(t.Context()) //nolint:errcheck // returns nil
	eventually(t, "loading", func() bool { return c.Ready() == nil })

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	probes, order := &health{}, &steps{}
	arrived, release := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	probes.register(mux)
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		order.add("answered")
		writeText(w, http.StatusOK, "done")
	})
	f := &front{
		server: newHTTPServer(mux, logr.Discard(), withTLS(c.Get)), listener: listener, health: probes, admission: order,
		drainDelay: 300 * time.Millisecond, grace: 10 * time.Second, log: logr.Discard(),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.run(ctx); order.add("ended") }()

	get := func(path string) (int, string, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure(0), DisableKeepAlives: true}}
		response, err := client.Get("https://" + listener.Addr().String() + path)
		if err != nil {
			return 0, "", err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		return response.StatusCode, string(text), err
	}
	slow := make(chan string, 1)
	go func() {
		_, text, err := get("/slow")
		if err != nil {
			text = err.Error()
		}
		slow <- text
	}()
	<-arrived
	stop()
	eventually(t, "readiness failing", func() bool {
		status, text, err := get("/readyz")
		return err == nil && status == http.StatusServiceUnavailable && strings.Contains(text, "stopping")
	})
	eventually(t, "closing the listener", func() bool { _, _, err := get("/healthz"); return err != nil })
	close(release)
	if text := <-slow; text != "done" {
		t.Errorf("the request in flight got %q", text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	eventually(t, "the end", func() bool {
		order.mu.Lock()
		defer order.mu.Unlock()
		return slices.Equal(order.taken, []string{"drain", "stop", "answered", "ended"})
	})
}

func TestShutdownCutsOffAfterGrace(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-release }))
	go http.Get(s.URL) //nolint:errcheck // it never gets an answer
	<-arrived
	if err := shutdown(t.Context(), s.Config, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
