// Command bench measures what a request costs Taffrail, next to what it costs to do less. All of it is
// CPU time, of a process of its own where there is a server, in rounds that take turns, so that what
// else runs on the machine weighs on all of them alike. Only the ratios carry over from one machine to
// another.
//
// With -against it sends the same requests to any admission webhook instead.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// options are those of the command line.
type options struct {
	rounds     int
	requests   int
	chapter    string
	only       string
	samples    string
	cpuProfile string
	memProfile string
	against    against
}

// parts are what is measured, in this order.
var parts = []struct {
	name string
	run  func(context.Context, options) error
}{
	{"evaluation", evaluationTables},
	{"webhook", webhookTables},
	{"check", checkTable},
	{"start", startTable},
}

func main() {
	if dir := os.Getenv(serverRole); dir != "" {
		exitOn(serve(dir))
		return
	}
	o := options{}
	var names []string
	for _, part := range parts {
		names = append(names, part.name)
	}
	flag.IntVar(&o.rounds, "rounds", 12, "rounds, which take turns; their sum counts")
	flag.IntVar(&o.requests, "requests", 250, "requests per round of an ordinary object; a large one gets fewer")
	flag.StringVar(&o.chapter, "chapter", "test/testdata/chapter", "`folder` of the chapter's manifests")
	flag.StringVar(&o.only, "only", strings.Join(names, ","), "`parts` to measure")
	flag.StringVar(&o.samples, "samples", "", "measure only objects whose name has this `text`")
	flag.StringVar(&o.cpuProfile, "cpuprofile", "", "`file` for a CPU profile of Taffrail alone under the requests of part webhook, which are then not compared")
	flag.StringVar(&o.memProfile, "memprofile", "", "`file` for what is allocated meanwhile")
	flag.StringVar(&o.against.url, "against", "", "`URL` of an admission webhook to send the requests to, as in https://127.0.0.1:9443/validate")
	flag.IntVar(&o.against.pid, "pid", 0, "process whose CPU time counts, if the webhook runs on this machine")
	flag.IntVar(&o.against.count, "count", 500, "requests per object, at most 10000")
	flag.DurationVar(&o.against.limit, "limit", 2*time.Minute, "stop after this time, at most 10m")
	flag.StringVar(&o.against.ca, "ca", "", "PEM `file` with the authority of the webhook's certificate; without it, the certificate is not verified")
	flag.BoolVar(&o.against.elsewhere, "allow-remote", false, "allow a webhook that is not on this machine; it gets real load")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exitOn(run(ctx, o))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.against.url != "" {
		return o.against.run(ctx, o)
	}
	only := strings.Split(o.only, ",")
	for _, name := range only {
		if !slices.ContainsFunc(parts, func(p struct {
			name string
			run  func(context.Context, options) error
		}) bool {
			return p.name == name
		}) {
			return fmt.Errorf("-only: there is no part %q", name)
		}
	}
	for _, part := range parts {
		if slices.Contains(only, part.name) {
			if err := part.run(ctx, o); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	return nil
}
