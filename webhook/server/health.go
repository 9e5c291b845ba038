package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

var errStopping = errors.New("stopping")

// check is one condition of readiness.
type check struct {
	name  string
	ready func() error
}

// health answers probes.
type health struct {
	checks   []check
	stopping atomic.Bool
}

// register adds both paths to mux.
func (h *health) register(mux *http.ServeMux) {
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("/readyz", h.readyz)
}

// readyz lists the checks in the format of the API server, with the errors of those that fail.
func (h *health) readyz(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	status := http.StatusOK
	for _, c := range append(h.checks, check{name: "serving", ready: h.serving}) {
		if err := c.ready(); err != nil {
			status = http.StatusServiceUnavailable
			fmt.Fprintf(&b, "[-]%s: %v\n", c.name, err)
			continue
		}
		fmt.Fprintf(&b, "[+]%s ok\n", c.name)
	}
	writeText(w, status, b.String())
}

func (h *health) serving() error {
	if h.stopping.Load() {
		return errStopping
	}
	return nil
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
