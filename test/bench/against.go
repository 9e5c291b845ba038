package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	maxCount = 10_000
	maxLimit = 10 * time.Minute
	// warmUp is how many requests of a sample do not count.
	warmUp = 10
)

// against sends the samples to a webhook of any make, one request after the other.
type against struct {
	url       string
	pid       int
	count     int
	limit     time.Duration
	ca        string
	elsewhere bool
}

// check refuses what would be more than a measurement.
func (a *against) check(ctx context.Context) error {
	target, err := url.Parse(a.url)
	switch {
	case err != nil:
		return fmt.Errorf("-against: %w", err)
	case target.Scheme != "https" && target.Scheme != "http" || target.Hostname() == "":
		return fmt.Errorf("-against: %q is not the URL of a webhook, such as https://127.0.0.1:9443/validate", a.url)
	case a.count < 1 || a.count > maxCount:
		return fmt.Errorf("-count: %d is not between 1 and %d", a.count, maxCount)
	case a.limit <= 0 || a.limit > maxLimit:
		return fmt.Errorf("-limit: %s is not more than 0 and at most %s", a.limit, maxLimit)
	case a.elsewhere && a.pid != 0:
		return errors.New("-pid: the CPU time of a process elsewhere is not known here")
	case a.elsewhere:
		return nil
	}
	return onlyLoopback(ctx, target.Hostname())
}

// onlyLoopback returns an error if a host has an address that is not this machine's own.
func onlyLoopback(ctx context.Context, host string) error {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("-against: %w", err)
	}
	if slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.Unmap().IsLoopback() }) {
		return fmt.Errorf("-against: %s is not on this machine: the webhook would get real load; forward a port of it, or use -allow-remote if that is meant", host)
	}
	return nil
}

// client connects to loopback addresses alone, unless others are allowed: a name may resolve to
// another address later.
func (a *against) client() (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.ca == ""} //nolint:gosec // as documented at -ca
	if a.ca != "" {
		text, err := os.ReadFile(a.ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("-ca: %s has no certificate in PEM", a.ca)
		}
	}
	client := newClient(config)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if transport, ok := client.Transport.(*http.Transport); ok && !a.elsewhere {
		var dialer net.Dialer
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err == nil {
				err = onlyLoopback(ctx, host)
			}
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, address)
		}
	}
	return client, nil
}

func (a *against) run(ctx context.Context, o options) error {
	if err := a.check(ctx); err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	all, err := samples(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	rows := [][]string{{"object", "bytes", "requests", "verdict", "CPU", "median latency", "99th percentile"}}
	for i := range all {
		row, err := a.send(ctx, client, &all[i])
		if err != nil {
			return err
		}
		rows = append(rows, append([]string{all[i].Name, fmt.Sprint(len(all[i].review))}, row...))
	}
	return table(a.url, rows)
}

// send returns the columns for one sample. That a webhook does not answer for it is a row, not an error.
func (a *against) send(ctx context.Context, client *http.Client, s *sample) ([]string, error) {
	answer, err := ask(ctx, client, a.url, s.review)
	if err != nil {
		return []string{"0", firstLine(err.Error()), "–", "–", "–"}, nil
	}
	count := s.requests(a.count)
	for range min(warmUp, count) {
		if _, err := post(ctx, client, a.url, s.review); err != nil {
			break
		}
	}
	before, err := a.cpu()
	if err != nil {
		return nil, err
	}
	latencies := make([]time.Duration, 0, count)
	for range count {
		began := time.Now()
		if _, err := post(ctx, client, a.url, s.review); err != nil {
			break
		}
		latencies = append(latencies, time.Since(began))
	}
	after, err := a.cpu()
	if err != nil {
		return nil, err
	}
	if len(latencies) == 0 {
		return []string{"0", answer.String(), "–", "–", "–"}, nil
	}
	cpu := "–"
	if a.pid != 0 {
		cpu = short((after - before) / time.Duration(len(latencies)))
	}
	slices.Sort(latencies)
	return []string{
		fmt.Sprint(len(latencies)), answer.String(), cpu, short(latencies[len(latencies)/2]), short(latencies[len(latencies)*99/100]),
	}, nil
}

func (a *against) cpu() (time.Duration, error) {
	if a.pid == 0 {
		return 0, nil
	}
	return cpuOfProcess(a.pid)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
