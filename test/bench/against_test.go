package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnlyThisMachineIsMeasuredUnlessToldOtherwise(t *testing.T) {
	ok := against{count: 1, limit: time.Second}
	for _, c := range []struct {
		name, want string
		change     func(*against)
	}{
		{"loopback", "", func(a *against) { a.url = "https://127.0.0.1:9443/validate" }},
		{"loopback of IPv6", "", func(a *against) { a.url = "https://[::1]:9443/validate" }},
		{"loopback of IPv4 in IPv6", "", func(a *against) { a.url = "https://[::ffff:127.0.0.1]/validate" }},
		{"another machine", "not on this machine", func(a *against) { a.url = "https://192.0.2.1/validate" }},
		{"any address", "not on this machine", func(a *against) { a.url = "https://0.0.0.0/validate" }},
		{"another machine, and told so", "", func(a *against) { a.url, a.elsewhere = "https://192.0.2.1/validate", true }},
		{"a process elsewhere", "-pid", func(a *against) { a.url, a.elsewhere, a.pid = "https://192.0.2.1/validate", true, 7 }},
		{"no URL", "-against", func(a *against) { a.url = "127.0.0.1:9443" }},
		{"another scheme", "not the URL of a webhook", func(a *against) { a.url = "file:///etc/passwd" }},
		{"too many requests", "-count", func(a *against) { a.url, a.count = "https://127.0.0.1", maxCount+1 }},
		{"too long", "-limit", func(a *against) { a.url, a.limit = "https://127.0.0.1", maxLimit+1 }},
	} {
		a := ok
		c.change(&a)
		err := a.check(t.Context())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// A name that no longer leads to this machine is not connected to.
func TestConnectionsAreOnlyMadeToThisMachine(t *testing.T) {
	a := against{url: "https://192.0.2.1:9443/validate"}
	client, err := a.client()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := post(ctx, client, a.url, nil); err == nil || !strings.Contains(err.Error(), "not on this machine") {
		t.Errorf("got %v", err)
	}
}

func TestAWebhookIsSentEverySample(t *testing.T) {
	var asked atomic.Int64
	webhook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		text, err := io.ReadAll(r.Body)
		review := struct {
			Request struct {
				UID  string
				Kind struct{ Kind string }
			}
		}{}
		if err != nil || json.Unmarshal(text, &review) != nil || review.Request.UID != reviewUID {
			http.Error(w, "no review", http.StatusBadRequest)
			return
		}
		if review.Request.Kind.Kind == "Service" {
			http.Error(w, "a defect\nin here", http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, `{"response":{"uid":"`+reviewUID+`","allowed":false,"status":{"message":"no"}}}`)
	}))
	defer webhook.Close()
	o := options{chapter: "../testdata/chapter"}
	all, err := samples(o)
	if err != nil {
		t.Fatal(err)
	}
	a := against{url: webhook.URL, count: 3, limit: time.Minute, pid: os.Getpid()}
	client, err := a.client()
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		asked.Store(0)
		row, err := a.send(t.Context(), client, &all[i])
		if err != nil {
			t.Fatal(err)
		}
		if all[i].Name == "Service" {
			if row[0] != "0" || !strings.Contains(row[1], "500 Internal Server Error: a defect") || strings.Contains(row[1], "in here") {
				t.Errorf("a webhook that fails: got %q", row)
			}
			continue
		}
		// One for the verdict, some that warm up, and those that count.
		n := all[i].requests(a.count)
		if row[1] != "denied" || asked.Load() != int64(1+n+min(warmUp, n)) || row[2] == "–" {
			t.Errorf("%s: got %q after %d requests", all[i].Name, row, asked.Load())
		}
	}
}
