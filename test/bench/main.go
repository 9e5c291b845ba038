// Command bench compares, in one run, a handler that does nothing, one that only decodes, the policies written
// by hand in Go, and Taffrail. It uses TLS and HTTP/1.1, as the API server does for webhooks. CPU per request
// is that of the server process alone. Only the ratios carry over from machine to machine.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	if dir := os.Getenv(serverRole); dir != "" {
		exitOn(serve(dir))
		return
	}
	requests := flag.Int("requests", 1500, "requests per handler, object and round")
	rounds := flag.Int("rounds", 5, "rounds; the median one counts")
	profile := flag.String("profile", "", "file for a CPU profile of the server under Taffrail's load alone")
	chapter := flag.String("chapter", "test/testdata/chapter", "folder of the chapter's manifests")
	flag.Parse()
	exitOn(run(*requests, *rounds, *chapter, *profile))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(requests, rounds int, chapter, profile string) error {
	all, err := samples(chapter)
	if err != nil {
		return err
	}
	if err := decideTable(all); err != nil {
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
	address, stop, err := startServer(context.Background(), dir)
	if err != nil {
		return err
	}
	defer stop()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, //nolint:gosec // our own server on loopback
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}
	if profile != "" {
		return profileTaffrail(client, "https://"+address, all, requests, profile)
	}
	for _, s := range all {
		if err := webhookTable(client, "https://"+address, s, requests, rounds); err != nil {
			return err
		}
	}
	return nil
}

// profileTaffrail profiles Taffrail's own handler.
func profileTaffrail(client *http.Client, base string, all []sample, requests int, file string) error {
	taffrail := handler{"Taffrail", pathTaffrail + "/validate?timeout=10s"}
	for _, s := range all {
		if _, err := measure(client, base, taffrail.path, s.review, requests); err != nil {
			return err
		}
	}
	if err := post(client, base+"/profile/start?file="+url.QueryEscape(file), nil); err != nil {
		return err
	}
	for _, s := range all {
		m, err := measure(client, base, taffrail.path, s.review, requests)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %v of CPU per request\n", s.Name, m.cpu)
	}
	return post(client, base+"/profile/stop", nil)
}

type handler struct {
	name string
	path string
}

func handlers() []handler {
	return []handler{
		{"no-op", pathNoop},
		{"no-op that decodes", pathDecode},
		{"native Go checks", pathNative},
		{fmt.Sprintf("Taffrail, the first %d policies", len(spine)), pathFirst + "/validate?timeout=10s"},
		{"Taffrail, all policies", pathTaffrail + "/validate?timeout=10s"},
		{fmt.Sprintf("Taffrail, %d more policies", extraPolicies), pathMany + "/validate?timeout=10s"},
	}
}

// measured is the cost of one request.
type measured struct {
	cpu, latency  time.Duration
	allocs, bytes float64
}

func webhookTable(client *http.Client, base string, s sample, requests, rounds int) error {
	fmt.Printf("\nwebhook: %s, %d bytes of review, median of %d rounds of %d requests\n", s.Name, len(s.review), rounds, requests)
	results := map[string][]measured{}
	for round := range rounds + 1 {
		for _, h := range handlers() {
			m, err := measure(client, base, h.path, s.review, requests)
			if err != nil {
				return fmt.Errorf("%s: %w", h.name, err)
			}
			if round > 0 { // the first round warms up
				results[h.name] = append(results[h.name], m)
			}
		}
	}
	rows := [][]string{{"handler", "CPU/request", "× decoding", "latency", "allocs", "KiB"}}
	base0 := median(results["no-op that decodes"])
	for _, h := range handlers() {
		m := median(results[h.name])
		rows = append(rows, []string{
			h.name, m.cpu.Round(100 * time.Nanosecond).String(), fmt.Sprintf("%.2f", float64(m.cpu)/float64(base0.cpu)),
			m.latency.Round(100 * time.Nanosecond).String(), fmt.Sprintf("%.0f", m.allocs), fmt.Sprintf("%.1f", m.bytes/1024),
		})
	}
	return table(rows)
}

func table(rows [][]string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")+"\t"); err != nil {
			return err
		}
	}
	return w.Flush()
}

func median(all []measured) measured {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b measured) int { return int(a.cpu - b.cpu) })
	return sorted[len(sorted)/2]
}

func measure(client *http.Client, base, path string, body []byte, requests int) (measured, error) {
	before, err := usage(client, base)
	if err != nil {
		return measured{}, err
	}
	began := time.Now()
	for range requests {
		if err := post(client, base+path, body); err != nil {
			return measured{}, err
		}
	}
	elapsed := time.Since(began)
	after, err := usage(client, base)
	if err != nil {
		return measured{}, err
	}
	n := float64(requests)
	return measured{
		cpu:     time.Duration(float64(after[0]-before[0]) / n),
		latency: time.Duration(float64(elapsed) / n),
		allocs:  float64(after[1]-before[1]) / n,
		bytes:   float64(after[2]-before[2]) / n,
	}, nil
}

func usage(client *http.Client, base string) (numbers [3]int64, err error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+"/cpu", http.NoBody)
	if err != nil {
		return numbers, err
	}
	response, err := client.Do(request)
	if err != nil {
		return numbers, err
	}
	defer response.Body.Close()
	_, err = fmt.Fscan(response.Body, &numbers[0], &numbers[1], &numbers[2])
	return numbers, err
}

func post(client *http.Client, url string, body []byte) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"allowed":true`)) {
		return fmt.Errorf("%s: %s", response.Status, answer)
	}
	return nil
}
