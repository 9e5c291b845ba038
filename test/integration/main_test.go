// Package integration tests Taffrail with a real API server. All tests share one control plane: each uses
// namespaces of its own, and a test that disrupts a server starts one of its own.
package integration

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"taffrail.dev/test/harness"
)

var (
	// cluster and taffrail are shared by every test.
	cluster  *harness.Harness
	taffrail *harness.Server
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	progress := func(what string) {
		if testing.Verbose() {
			fmt.Fprintf(os.Stderr, "%5.1fs %s\n", time.Since(began).Seconds(), what)
		}
	}
	var err error
	if cluster, err = harness.Start(ctx, harness.Options{Progress: progress}); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	defer abandon(ctx, "interrupted")()
	if limit, ok := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration); ok && limit > 2*time.Minute {
		late, cancel := context.WithTimeout(context.Background(), limit-time.Minute)
		defer cancel()
		defer abandon(late, "go test's -timeout is about to pass")()
	}
	if err := prepare(ctx, progress); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return finish(1)
	}
	progress("testing")
	return finish(m.Run())
}

// abandon ends everything when ctx ends, unless it is called off. Otherwise a timeout of go test, or Ctrl-C,
// would leave the processes running.
func abandon(ctx context.Context, why string) (callOff func() bool) {
	return context.AfterFunc(ctx, func() {
		fmt.Fprintln(os.Stderr, "error:", why)
		os.Exit(finish(1))
	})
}

// finish ends every process, and prints their logs if a test failed.
func finish(code int) int {
	if code != 0 {
		cluster.PrintLogs(os.Stderr, 40)
	}
	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return code
}

// prepare starts Taffrail as in a cluster, with failurePolicy Fail.
func prepare(ctx context.Context, progress func(string)) error {
	progress("starting taffrail serve")
	var err error
	if taffrail, err = cluster.NewServer(ctx, harness.ServerOptions{Name: "main"}); err != nil {
		return err
	}
	if err := cluster.Register(ctx, harness.Registration{
		Name: "taffrail", Main: true, Address: taffrail.Address(), FailurePolicy: admissionregistrationv1.Fail,
	}); err != nil {
		return err
	}
	guardrails, err := testGuardrails()
	if err != nil {
		return err
	}
	for i := range guardrails {
		if _, err := cluster.PutGuardrail(ctx, &guardrails[i]); err != nil {
			return err
		}
	}
	progress("waiting for the webhooks")
	if err := cluster.Namespace(ctx, "first", map[string]string{modeLabel: "enforce"}); err != nil {
		return err
	}
	return cluster.AwaitEnforcement(ctx, "first")
}
