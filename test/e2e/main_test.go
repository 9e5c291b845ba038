//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// world is the cluster of all tests, which run one after another.
var world *environment

func TestMain(m *testing.M) {
	flag.Parse()
	// The libraries' logs are not needed here.
	ctrllog.SetLogger(logr.Discard())
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "e2e: %4.0fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	var err error
	if world, err = newEnvironment(ctx, say); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	// An interrupt would otherwise leave the nodes running.
	var once sync.Once
	finish := func(code int) int {
		once.Do(func() { code = world.end(code) })
		return code
	}
	abandon := func(ctx context.Context, why string) func() bool {
		return context.AfterFunc(ctx, func() {
			fmt.Fprintln(os.Stderr, "error:", why)
			os.Exit(finish(1))
		})
	}
	defer abandon(ctx, "interrupted")()
	if limit, ok := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration); ok && limit > 5*time.Minute {
		late, cancel := context.WithTimeout(context.Background(), limit-2*time.Minute)
		defer cancel()
		defer abandon(late, "go test's -timeout is about to pass")()
	}
	if err := world.begin(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return finish(1)
	}
	say("testing")
	code := m.Run()
	if err := world.table.print(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	say("tested")
	return finish(code)
}
