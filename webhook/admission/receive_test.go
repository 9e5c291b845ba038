package admission_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// begin sends a header and the beginning of a body, and then stalls.
func (f *fixture) begin(path, header, body string) net.Conn {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n%s\r\n\r\n%s", path, header, body); err != nil {
		f.t.Fatal(err)
	}
	return conn
}

// answered reads an answer from such a connection.
func (f *fixture) answered(conn net.Conn) (status int, text string) {
	f.t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, string(read)
}

// A Content-Length reserves neither memory nor a slot, however many requests announce one.
func TestAnnouncedBodiesTakeNothing(t *testing.T) {
	f := start(t, answering(&decision.Decision{Verdict: decision.VerdictAllow}), func(o *admission.Options) { o.MaxInFlight, o.MaxInFlightBytes = 4, 1 })
	for range 40 {
		f.begin("/validate", "Content-Length: 8388607", "{")
	}
	for range 20 {
		f.reviewed(f.post("/validate", body("Deployment", deployment)))
	}
}

// The body that makes no progress is evicted for the next one. Its caller is made to retry, because it may be
// the API server on a slow network.
func TestTheSlowestCallerIsToldToTryAgain(t *testing.T) {
	f := start(t, answering(&decision.Decision{Verdict: decision.VerdictAllow}), func(o *admission.Options) { o.MaxInFlight = 1 })
	// Two may arrive concurrently, so one of three is evicted.
	answers := make(chan string, 3)
	for range 3 {
		conn := f.begin("/validate", "Content-Length: 1000", "{")
		go func() {
			if text, err := io.ReadAll(conn); err == nil {
				answers <- string(text)
			}
		}()
	}
	text := <-answers
	for _, want := range []string{"HTTP/1.1 429 ", "\r\nRetry-After: 1\r\n", "\r\nConnection: close\r\n", "evicted"} {
		if !strings.Contains(text, want) {
			t.Errorf("the answer lacks %q: %s", want, text)
		}
	}
	if got := f.metric("taffrail_errors_total", map[string]string{"reason": "evicted"}); got != 1 {
		t.Errorf("%v evicted", got)
	}
}

// An endless body is read up to the largest legal size, and refused because of its size.
func TestABodyWithoutEnd(t *testing.T) {
	f := start(t, binding(t, v1alpha1.ModeEnforce, "image-tag", plain{}))
	conn := f.begin("/validate", "Transfer-Encoding: chunked", "")
	chunk := strings.Repeat("x", 64<<10)
	go func() {
		text := body("Deployment", `{"a":"`)
		text = text[:strings.Index(text, `{"a":"`)+6]
		_, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(text), text)
		for err == nil {
			_, err = fmt.Fprintf(conn, "%x\r\n%s\r\n", len(chunk), chunk)
		}
	}()
	if status, text := f.answered(conn); status != http.StatusOK || !strings.Contains(text, "larger than 8388608 bytes") {
		t.Errorf("HTTP %d %.300s", status, text)
	}
}

// An impossible Content-Length allocates nothing.
func TestAbsurdContentLength(t *testing.T) {
	f := start(t, answering(&decision.Decision{Verdict: decision.VerdictAllow}))
	conn := f.begin("/validate", "Content-Length: 9223372036854775807", "{")
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	if status, text := f.answered(conn); status != http.StatusBadRequest {
		t.Errorf("HTTP %d %s", status, text)
	}
}

// Requests get slots in the order of arrival, and those beyond the limit are shed.
func TestWaitingForASlot(t *testing.T) {
	arrived, release := make(chan struct{}, 3), make(chan struct{})
	f := start(t, fake{decide: func(context.Context, *decision.Request) (*decision.Decision, error) {
		arrived <- struct{}{}
		<-release
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil
	}}, func(o *admission.Options) { o.MaxInFlight = 1 })
	var callers sync.WaitGroup
	answers := make(chan answer, 3)
	callers.Go(func() { answers <- f.post("/validate", body("Deployment", deployment)) })
	<-arrived
	for range 2 { // one may wait
		callers.Go(func() { answers <- f.post("/validate", body("Deployment", deployment)) })
	}
	if a := <-answers; a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "1" {
		t.Errorf("HTTP %d, header %v", a.status, a.header)
	}
	close(release)
	callers.Wait()
	close(answers)
	decided := 0
	for a := range answers {
		if a.status == http.StatusOK {
			decided++
		}
	}
	if decided == 0 { // two, unless the waiting one was shed after a second on a slow machine
		t.Error("whoever has a slot is not decided")
	}
}

// Bodies of every length arrive completely, however they are divided.
func TestBodiesArriveWhole(t *testing.T) {
	f := start(t, answering(&decision.Decision{Verdict: decision.VerdictAllow}))
	base := len(body("Deployment", `{"a":""}`))
	for _, length := range []int{base, base + 1, 4 << 10, 4<<10 + 1, 8<<10 - 1, 16 << 10, 64 << 10, 64<<10 + 1, 1 << 20, 8 << 20} {
		text := body("Deployment", `{"a":"`+strings.Repeat("x", length-base)+`"}`)
		f.reviewed(f.post("/validate", text))
		f.reviewed(f.do(http.MethodPost, "/validate", "application/json", io.MultiReader(strings.NewReader(text))))
	}
}
