package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
)

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Config: &rest.Config{}, Library: policies.FS, CertFile: "a", KeyFile: "b"}
	complete, err := good.complete()
	if err != nil || complete.BindAddress != ":9443" || complete.DrainDelay != DefaultDrainDelay || complete.MaxInFlight == 0 || complete.Engine != rego.EngineCompiled {
		t.Errorf("%+v, %v", complete, err)
	}
	for option, change := range map[string]func(*Options){
		"Config":             func(o *Options) { o.Config = nil },
		"Library":            func(o *Options) { o.Library = nil },
		"CertFile":           func(o *Options) { o.CertFile = "" },
		"KeyFile":            func(o *Options) { o.KeyFile = "" },
		"MaxInFlight":        func(o *Options) { o.MaxInFlight = -1 },
		"Compare":            func(o *Options) { o.Compare = 1.5 },
		"ShutdownGrace":      func(o *Options) { o.ShutdownGrace = -1 },
		"MetricsBindAddress": func(o *Options) { o.ClientCAFile, o.MetricsBindAddress = "ca.crt", "0" },
	} {
		o := good
		change(&o)
		var wrong *OptionError
		if err := Run(t.Context(), o); !errors.As(err, &wrong) || wrong.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
}

// Without an API server nothing can be decided: the server is alive but not ready, and makes callers retry.
func TestRunWithoutAPIServer(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	closed := listen()
	closed.Close()
	certFile, keyFile := writePair(t, t.TempDir(), 1)
	https, metrics := listen(), listen()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Config: &rest.Config{Host: "https://" + closed.Addr().String()}, Library: policies.FS, CertFile: certFile, KeyFile: keyFile,
			Listener: https, MetricsListener: metrics, DrainDelay: -1, LeaderElect: true, Log: logr.Discard(),
		})
	}()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure(0)}}
	ask := func(method, url string) (int, string, http.Header) {
		request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return 0, err.Error(), nil
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(text), response.Header
	}
	base := "https://" + https.Addr().String()
	eventually(t, "loading the certificate", func() bool {
		select {
		case err := <-ended:
			t.Fatalf("Run ended: %v", err)
		default:
		}
		_, text, _ := ask(http.MethodGet, base+"/readyz")
		return strings.Contains(text, "[+]certificate ok") && strings.Contains(text, "[-]configuration: ") &&
			strings.Contains(text, "[-]informers: Namespace: not synced yet")
	})
	for url, want := range map[string]int{
		base + "/healthz": 200,
		base + "/metrics": 404,
		"http://" + metrics.Addr().String() + "/readyz":  503,
		"http://" + metrics.Addr().String() + "/metrics": 200,
	} {
		if status, text, _ := ask(http.MethodGet, url); status != want {
			t.Errorf("%s: HTTP %d %s", url, status, text)
		}
	}
	if status, _, header := ask(http.MethodPost, base+"/validate"); status != 503 || header.Get("Retry-After") != "1" {
		t.Errorf("HTTP %d, %v", status, header)
	}
	if _, text, _ := ask(http.MethodGet, "http://"+metrics.Addr().String()+"/metrics"); !strings.Contains(text, `taffrail_errors_total{reason="not_ready"} 1`) {
		t.Error("the request is not counted")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
