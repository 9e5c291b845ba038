package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

type handler struct {
	name string
	path string
}

var taffrailHandler = handler{"Taffrail", pathTaffrail}

// handlers are in one process, with the same settings of the garbage collector.
func handlers() []handler {
	return []handler{
		{"no-op", pathNoop},
		{"no-op that decodes", pathDecode},
		{"some checks in Go", pathNative},
		taffrailHandler,
		{fmt.Sprintf("and %d policies of other kinds", extraPolicies), pathMany},
	}
}

// comparedWith is the index of the handler that the others are compared with.
const comparedWith = 1

func (s *sample) path() string {
	if s.mutate {
		return "/mutate?timeout=10s"
	}
	return "/validate?timeout=10s"
}

// cost is that of some requests together.
type cost struct {
	requests int
	usage
	elapsed time.Duration
}

// webhookTables compare whole webhooks over TLS and HTTP/1.1.
func webhookTables(ctx context.Context, o options) error {
	all, err := samples(o)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "taffrail-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := writeCertificate(dir); err != nil {
		return err
	}
	address, stop, err := startServer(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	server := &benchServer{
		client: newClient(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}), //nolint:gosec // our own server on loopback
		base:   "https://" + address,
	}
	if o.cpuProfile != "" {
		return server.profile(ctx, o, all)
	}
	summary := [][]string{{"object", "bytes", "verdict", "decoding no-op", "Taffrail", "÷ decoding", "÷ no-op", "÷ checks in Go"}}
	for i := range all {
		costs, answer, err := server.compare(ctx, o, &all[i])
		if err != nil {
			return fmt.Errorf("%s: %w", all[i].Name, err)
		}
		summary = append(summary, []string{
			all[i].Name, fmt.Sprint(len(all[i].review)), answer.String(), short(costs[comparedWith].perRequest()), short(costs[3].perRequest()),
			ratio(costs[3].perRequest(), costs[comparedWith].perRequest()), ratio(costs[3].perRequest(), costs[0].perRequest()), ratio(costs[3].perRequest(), costs[2].perRequest()),
		})
	}
	used, err := server.usage(ctx)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("Webhook, CPU per request of the whole process, which has %s of memory now (GOGC=%s, GOMEMLIMIT=%s)",
		mebibytes(used.Resident), os.Getenv("GOGC"), os.Getenv("GOMEMLIMIT"))
	return table(title, summary)
}

func (c *cost) perRequest() time.Duration { return c.CPU / time.Duration(c.requests) }

// benchServer is the server process.
type benchServer struct {
	client *http.Client
	base   string
}

// compare sends a sample to all handlers in turns and prints what each costs.
func (b *benchServer) compare(ctx context.Context, o options, s *sample) ([]cost, *verdict, error) {
	answer, err := ask(ctx, b.client, b.base+pathTaffrail+s.path(), s.review)
	if err != nil {
		return nil, nil, err
	}
	if s.faulty == answer.Response.Allowed {
		return nil, nil, fmt.Errorf("allowed: %v, %s", answer.Response.Allowed, answer.Response.Status.Message)
	}
	costs := make([]cost, len(handlers()))
	for round := range o.rounds + 1 {
		for i, h := range handlers() {
			c, err := b.measure(ctx, h.path+s.path(), s.review, s.requests(o.requests))
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", h.name, err)
			}
			if round > 0 { // the first warms up
				costs[i].add(c)
			}
		}
	}
	rows := [][]string{{"handler", "CPU", "÷ decoding", "latency", "allocations", "KiB"}}
	for i, h := range handlers() {
		c := &costs[i]
		rows = append(rows, []string{
			h.name, short(c.perRequest()), ratio(c.perRequest(), costs[comparedWith].perRequest()), short(c.elapsed / time.Duration(c.requests)),
			fmt.Sprint(c.Allocs / uint64(c.requests)), fmt.Sprintf("%.1f", float64(c.Allocd)/float64(c.requests)/1024),
		})
	}
	return costs, answer, table(fmt.Sprintf("Webhook, %s: %d rounds of %d requests", s.Name, o.rounds, s.requests(o.requests)), rows)
}

func (c *cost) add(other cost) {
	c.requests += other.requests
	c.elapsed += other.elapsed
	c.CPU += other.CPU
	c.Allocs += other.Allocs
	c.Allocd += other.Allocd
}

func (b *benchServer) measure(ctx context.Context, path string, body []byte, requests int) (cost, error) {
	before, err := b.usage(ctx)
	if err != nil {
		return cost{}, err
	}
	began := time.Now()
	for range requests {
		if _, err := post(ctx, b.client, b.base+path, body); err != nil {
			return cost{}, err
		}
	}
	elapsed := time.Since(began)
	after, err := b.usage(ctx)
	return cost{
		requests: requests, elapsed: elapsed,
		usage: usage{CPU: after.CPU - before.CPU, Allocs: after.Allocs - before.Allocs, Allocd: after.Allocd - before.Allocd},
	}, err
}

func (b *benchServer) usage(ctx context.Context) (u usage, err error) {
	text, err := post(ctx, b.client, b.base+"/usage", nil)
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal(text, &u)
}

// profile writes profiles of the server under the requests for Taffrail alone.
func (b *benchServer) profile(ctx context.Context, o options, all []sample) error {
	send := func(announce bool) error {
		for i := range all {
			s := &all[i]
			c, err := b.measure(ctx, taffrailHandler.path+s.path(), s.review, s.requests(o.requests)*o.rounds)
			if err != nil {
				return err
			}
			if announce {
				fmt.Printf("%s: %s of CPU per request, %d allocations\n", s.Name, short(c.perRequest()), c.Allocs/uint64(c.requests))
			}
		}
		return nil
	}
	if err := send(false); err != nil {
		return err
	}
	files := url.Values{"cpu": {o.cpuProfile}, "memory": {o.memProfile}}
	if _, err := post(ctx, b.client, b.base+"/profile/start?"+files.Encode(), nil); err != nil {
		return err
	}
	if err := send(true); err != nil {
		return err
	}
	_, err := post(ctx, b.client, b.base+"/profile/stop?"+files.Encode(), nil)
	return err
}
