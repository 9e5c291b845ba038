package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// starts is how often the server is started.
	starts = 5
	// startTimeout is for a start on a machine that is busy.
	startTimeout = 30 * time.Second
	// restAfter is when a server is at rest that nobody asks anything.
	restAfter = 5 * time.Second
)

// startTable measures `taffrail serve` from its start until it is ready, and what memory it then has. The
// API server is a stand-in with nothing in it but the built-in Guardrails.
func startTable(ctx context.Context, _ options) error {
	dir, clean, err := build(ctx)
	if err != nil {
		return err
	}
	defer clean()
	if err := writeCertificate(dir); err != nil {
		return err
	}
	stop, err := startAPIServer(ctx, filepath.Join(dir, "kubeconfig"))
	if err != nil {
		return err
	}
	defer stop()
	rows := [][]string{{"start", "CPU until ready", "wall clock", "RSS when ready", "RSS at rest"}}
	for i := range starts {
		row, err := start(ctx, dir)
		if err != nil {
			return err
		}
		rows = append(rows, append([]string{strconv.Itoa(i + 1)}, row...))
	}
	return table("taffrail serve, from its start until /readyz", rows)
}

func start(ctx context.Context, dir string) (row []string, err error) {
	addresses := [2]string{}
	for i := range addresses {
		if addresses[i], err = freeAddress(ctx); err != nil {
			return nil, err
		}
	}
	command := exec.CommandContext(ctx, filepath.Join(dir, programName), "serve", "--kubeconfig="+filepath.Join(dir, "kubeconfig"), "--namespace=taffrail-system",
		"--tls-cert-file="+filepath.Join(dir, "tls.crt"), "--tls-private-key-file="+filepath.Join(dir, "tls.key"),
		"--bind-address="+addresses[0], "--metrics-bind-address="+addresses[1], "--drain-delay=0s")
	var log strings.Builder
	command.Stderr = &log
	began := time.Now()
	if err := command.Start(); err != nil {
		return nil, err
	}
	ready := waitReady(ctx, "http://"+addresses[1]+"/readyz")
	elapsed := time.Since(began)
	if ready == nil {
		var cpu time.Duration
		var busy, rest int64
		if cpu, err = cpuOfProcess(command.Process.Pid); err == nil {
			busy, err = residentOf(command.Process.Pid)
		}
		time.Sleep(restAfter)
		if err == nil {
			rest, err = residentOf(command.Process.Pid)
		}
		row = []string{short(cpu), short(elapsed), mebibytes(busy), mebibytes(rest)}
	}
	err = errors.Join(err, ready, command.Process.Signal(syscall.SIGTERM))
	ended := command.Wait()
	if ready != nil || ended != nil {
		err = errors.Join(err, ended, errors.New(log.String()))
	}
	return row, err
}

func freeAddress(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// waitReady asks often enough to see the moment, and rarely enough to cost the server nothing.
func waitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			text, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			if ctx.Err() != nil {
				return fmt.Errorf("not ready: %s", text)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s", startTimeout)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
