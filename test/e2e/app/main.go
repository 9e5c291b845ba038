// Command app replaces the chapter's images, which cannot be pulled everywhere: the API server called
// backend-app, its batch-app, and nginx. It is the only file in these images, and therefore also acts as
// /bin/sh, for a preStop hook that sleeps.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	var err error
	switch command := strings.Join(os.Args[1:], " "); {
	case filepath.Base(os.Args[0]) == "sh":
		err = shell(command)
	case command == "batch":
		fmt.Println("done")
	default:
		err = serve()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// serve answers health checks until it receives a signal to stop.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

var sleeping = regexp.MustCompile(`^-c sleep (\d+)$`)

func shell(command string) error {
	found := sleeping.FindStringSubmatch(command)
	if found == nil {
		return fmt.Errorf("this shell sleeps and does nothing else: %q", command)
	}
	duration, err := time.ParseDuration(found[1] + "s")
	time.Sleep(duration)
	return err
}
