package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// newClient speaks HTTP/1.1 over TLS 1.3 on a connection that is kept, as the API server does.
func newClient(config *tls.Config) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: config,
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
		Proxy:           nil,
	}}
}

// verdict is what a webhook answers, as far as it is compared.
type verdict struct {
	Response struct {
		UID      string   `json:"uid"`
		Allowed  bool     `json:"allowed"`
		Warnings []string `json:"warnings"`
		Patch    []byte   `json:"patch"`
		Status   struct {
			Message string `json:"message"`
		} `json:"status"`
	} `json:"response"`
}

func (v *verdict) String() string {
	switch {
	case !v.Response.Allowed:
		return "denied"
	case len(v.Response.Patch) > 0:
		return "patched"
	case len(v.Response.Warnings) > 0:
		return "allowed with warnings"
	}
	return "allowed"
}

// ask posts a review and returns the answer.
func ask(ctx context.Context, client *http.Client, url string, review []byte) (*verdict, error) {
	text, err := post(ctx, client, url, review)
	if err != nil {
		return nil, err
	}
	v := &verdict{}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, fmt.Errorf("%s is no AdmissionReview: %w", url, err)
	}
	if v.Response.UID != reviewUID {
		return nil, fmt.Errorf("%s answers for %q", url, v.Response.UID)
	}
	return v, nil
}

func post(ctx context.Context, client *http.Client, url string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", url, response.Status, answer)
	}
	return answer, nil
}
