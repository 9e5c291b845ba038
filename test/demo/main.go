// Command demo shows what Taffrail does: it starts a control plane, applies the chapter's manifests as an ordinary user,
// and prints the outcome of each.
//
//	make demo            stops everything after printing
//	make demo HOLD=1     keeps it running, and prints how to point kubectl at it
//
// It fails if any outcome differs from what the chapter's practices require.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"taffrail.dev/test/harness"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, progress io.Writer) (err error) {
	began := time.Now()
	say := func(what string) { printf(progress, "demo: %4.0fs  %s\n", time.Since(began).Seconds(), what) }
	h, err := harness.Start(ctx, harness.Options{Progress: say})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			h.PrintLogs(progress, 20)
		}
		err = errors.Join(err, h.Stop())
	}()
	s := &scene{Harness: h, say: say}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	rows, err := s.play(ctx)
	if err != nil {
		return err
	}
	say("done")
	printTable(out, rows)
	printf(out, "\nWhat the person reads whose Pod was refused:\n\nError from server (Forbidden): error when creating \"%s\": %s\n",
		s.refusedFile, s.refusal)
	if os.Getenv("HOLD") == "1" {
		if err := hold(ctx, h, out); err != nil {
			return err
		}
	}
	return unexpected(rows)
}

// hold waits until the user ends the demo.
func hold(ctx context.Context, h *harness.Harness, out io.Writer) error {
	kubeconfig := filepath.Join(h.Dir, "admin.kubeconfig")
	if err := os.WriteFile(kubeconfig, h.Admin.Kubeconfig, 0o600); err != nil {
		return err
	}
	printf(out, `
It stays up until Ctrl-C. In another terminal:

export KUBECONFIG=%s PATH=%s:$PATH
kubectl get guardrails
kubectl --as alice -n eks-work run web --image=nginx
kubectl --as alice -n eks-work get cronjob,job,pod
`, kubeconfig, h.Programs)
	<-ctx.Done()
	return nil
}
