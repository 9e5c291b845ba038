// Package hostile simulates callers that try to disrupt a server: they are slow, many, or announce data that
// they never send. They know only what anyone knows who can reach the port.
package hostile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Sort is a kind of attack.
type Sort string

// The kinds of attack. Each uses one connection, which is opened again whenever the server closes it.
const (
	// Announced announces a body of the largest size and sends one byte of it.
	Announced Sort = "announced"
	// Ordinary announces a body of ordinary size and sends one byte of it.
	Ordinary Sort = "announced, ordinary"
	// Stalled sends most of a large body at once, and then nothing.
	Stalled Sort = "stalled"
	// Endless sends chunks without end.
	Endless Sort = "endless"
	// SlowHeader sends a header byte by byte.
	SlowHeader Sort = "slow header"
	// SlowBody sends a body byte by byte.
	SlowBody Sort = "slow body"
	// Many opens connections as fast as possible and closes each after the handshake.
	Many Sort = "many"
	// Silent connects and never begins a handshake.
	Silent Sort = "silent"
	// HTTP2 speaks HTTP/2 whatever the server negotiates, and requests it in every second handshake.
	HTTP2 Sort = "HTTP/2 flood"
	// Idle requests the health check once and is idle afterward.
	Idle Sort = "idle"
	// Deaf sends requests continuously and reads no answer.
	Deaf Sort = "deaf"
	// Lost sends a slow body to a path that does not exist.
	Lost Sort = "lost"
)

const (
	// largest is one byte less than the largest body that is decoded.
	largest = 8<<20 - 1
	// dripEvery is the interval between bytes of a slow sender.
	dripEvery = 100 * time.Millisecond
	// pause limits how often a caller connects.
	pause = 10 * time.Millisecond
)

// Attack is a number of callers at work.
type Attack struct {
	address string
	plain   bool
	stop    context.CancelFunc
	callers sync.WaitGroup
	// opened counts connections by sort.
	opened map[Sort]*atomic.Int64
	wanted map[Sort]int
}

// Start begins an attack on an address, over TLS, with a number of callers of each sort. It continues until
// Stop or the end of ctx.
func Start(ctx context.Context, address string, callers map[Sort]int) *Attack {
	return start(ctx, address, callers, false)
}

// StartPlain is Start without TLS.
func StartPlain(ctx context.Context, address string, callers map[Sort]int) *Attack {
	return start(ctx, address, callers, true)
}

func start(ctx context.Context, address string, callers map[Sort]int, plain bool) *Attack {
	ctx, stop := context.WithCancel(ctx)
	a := &Attack{address: address, plain: plain, stop: stop, opened: map[Sort]*atomic.Int64{}, wanted: maps.Clone(callers)}
	for _, sort := range slices.Sorted(maps.Keys(callers)) {
		a.opened[sort] = &atomic.Int64{}
		for i := range callers[sort] {
			a.callers.Go(func() { a.call(ctx, sort, i) })
		}
	}
	return a
}

// Stop ends every connection.
func (a *Attack) Stop() {
	a.stop()
	a.callers.Wait()
}

// Opened returns how many connections the callers of a sort have opened so far.
func (a *Attack) Opened(sort Sort) int64 { return a.opened[sort].Load() }

// UnderWay returns nil once every caller has had a connection.
func (a *Attack) UnderWay() error {
	for sort, want := range a.wanted {
		if got := a.opened[sort].Load(); got < int64(want) {
			return fmt.Errorf("%s: %d connections of %d", sort, got, want)
		}
	}
	return nil
}

// call is one caller.
func (a *Attack) call(ctx context.Context, sort Sort, turn int) {
	for ; ctx.Err() == nil; turn++ {
		if conn, err := a.connect(ctx, sort, turn); err == nil {
			// Connections that do not end on their own end with ctx.
			over := context.AfterFunc(ctx, func() { _ = conn.Close() })
			a.opened[sort].Add(1)
			_ = speak(ctx, conn, sort)
			over()
			_ = conn.Close()
		}
		sleep(ctx, pause)
	}
}

func (a *Attack) connect(ctx context.Context, sort Sort, turn int) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", a.address)
	if err != nil || a.plain || sort == Silent {
		return conn, err
	}
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} //nolint:gosec // it trusts nobody
	if sort == HTTP2 && turn%2 == 0 {
		config.NextProtos = []string{"h2"}
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

// speak returns when the server closes the connection.
func speak(ctx context.Context, conn net.Conn, sort Sort) error {
	switch sort {
	case Announced:
		return send(conn, header("/validate", largest)+"{", wait)
	case Ordinary:
		return send(conn, header("/validate", 10<<10)+"{", wait)
	case Stalled:
		return send(conn, header("/validate", largest)+strings.Repeat(" ", 7<<20), wait)
	case Endless:
		return send(conn, chunked("/validate"), repeat(ctx, chunk(), 0))
	case SlowHeader:
		return repeat(ctx, []byte("P"), dripEvery)(conn)
	case SlowBody:
		return send(conn, header("/validate", 10<<10), repeat(ctx, []byte(" "), dripEvery))
	case Lost:
		return send(conn, header("/nowhere", 10<<10), repeat(ctx, []byte(" "), dripEvery))
	case Many:
		return nil
	case HTTP2:
		return send(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+settings, repeat(ctx, []byte(headersFrame+resetFrame), 0))
	case Idle:
		return send(conn, get("/healthz"), wait)
	case Deaf:
		return repeat(ctx, bytes.Repeat([]byte(get("/readyz")), 100), 0)(conn)
	case Silent:
	}
	return wait(conn)
}

// The frames of a flood: settings, a header block of :method GET, :scheme https and :path /, and its reset.
const (
	settings     = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	headersFrame = "\x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x87\x84"
	resetFrame   = "\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08"
)

func header(path string, length int) string {
	return fmt.Sprintf("POST %s?timeout=30s HTTP/1.1\r\nHost: taffrail\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, length)
}

func chunked(path string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: taffrail\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
}

func chunk() []byte {
	const size = 32 << 10
	return fmt.Appendf(nil, "%x\r\n%s\r\n", size, strings.Repeat(" ", size))
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: taffrail\r\n\r\n" }

// send sends a text and then calls next.
func send(conn net.Conn, text string, next func(net.Conn) error) error {
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	return next(conn)
}

// wait reads until the server closes the connection.
func wait(conn net.Conn) error {
	_, err := io.Copy(io.Discard, bufio.NewReader(conn))
	return err
}

// repeat sends the same text again and again.
func repeat(ctx context.Context, text []byte, every time.Duration) func(net.Conn) error {
	return func(conn net.Conn) error {
		for ctx.Err() == nil {
			if _, err := conn.Write(text); err != nil {
				return err
			}
			if every > 0 {
				sleep(ctx, every)
			}
		}
		return ctx.Err()
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
