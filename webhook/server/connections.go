package server

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// answerTimeout limits how long a client may take to read an answer.
	answerTimeout = 5 * time.Second
	// leftoverTimeout is how long net/http waits for the rest of an unread body.
	leftoverTimeout = time.Second
	// answerPatience is the time after which a client that does not read its answer is the first to be evicted.
	answerPatience = time.Second
)

// connections is a listener that limits the number of open connections. Beyond the limit it closes the least
// useful one instead of refusing a new one, so that many, silent or slow callers cannot displace those that are
// served. It closes, in this order, and the oldest first:
//
//   - those that do not read an answer,
//   - those without a decision so far: handshakes, headers, probes, mistakes,
//   - idle ones.
//
// A connection whose request is in progress is never closed, so the limit must exceed the number of requests in
// progress.
type connections struct {
	net.Listener
	most    int
	evicted prometheus.Counter

	mutex sync.Mutex
	open  int
	// phases hold the connections that may be closed, by phase, in the order in which they entered it.
	phases [working]list.List
}

// phase is what a connection is doing.
type phase int

const (
	answering phase = iota
	unproven
	idle
	working
)

// ownFiles are reserved for everything but callers: the API server, files, the log.
const ownFiles = 128

// affordable returns how many of the wanted connections to the webhook port the limit of open files allows,
// after the reserved ones and ownFiles.
func affordable(wanted, reserved int, files uint64) int {
	if uint64(wanted+reserved+ownFiles) <= files {
		return wanted
	}
	return max(int(files)-reserved-ownFiles, 1)
}

// newConnections limits the connections of a listener. evicted counts those that it closes.
func newConnections(l net.Listener, most int, evicted prometheus.Counter) *connections {
	return &connections{Listener: l, most: most, evicted: evicted}
}

// Accept returns the next connection, after making room for it.
func (l *connections) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
			if c := l.admit(conn); c != nil {
				return c, nil
			}
			_ = conn.Close()
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			if !l.evict() {
				return nil, err // net/http retries after a moment
			}
		default:
			return nil, err
		}
	}
}

func (l *connections) admit(conn net.Conn) *connection {
	for l.count() >= l.most {
		if !l.evict() {
			return nil
		}
	}
	c := &connection{Conn: conn, owner: l}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.open++
	l.enter(c, unproven)
	return c
}

func (l *connections) count() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.open
}

// evict closes the least useful connection. It reports whether there was one.
func (l *connections) evict() bool {
	c := l.leastUseful()
	if c == nil {
		return false
	}
	if tcp, ok := c.Conn.(*net.TCPConn); ok && !c.proven {
		_ = tcp.SetLinger(0) // unsent data is not worth keeping
	}
	l.evicted.Inc()
	_ = c.Conn.Close()
	return true
}

func (l *connections) leastUseful() *connection {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for p := range l.phases {
		front := l.phases[p].Front()
		if front == nil {
			continue
		}
		c, _ := front.Value.(*connection)
		if phase(p) == answering && time.Since(c.since) < answerPatience {
			continue
		}
		l.forget(c)
		return c
	}
	return nil
}

// forget removes a connection that is closed, or about to be, from the count.
func (l *connections) forget(c *connection) {
	if !c.closed {
		l.leave(c)
		c.closed = true
		l.open--
	}
}

// enter appends c to the eviction order of a phase.
func (l *connections) enter(c *connection, p phase) {
	l.leave(c)
	if c.closed {
		return
	}
	c.phase, c.since = p, time.Now()
	if p < working {
		c.place = l.phases[p].PushBack(c)
	}
}

func (l *connections) leave(c *connection) {
	if c.place != nil {
		l.phases[c.phase].Remove(c.place)
		c.place = nil
	}
}

// serve makes a server that accepts connections from l report their state.
func (l *connections) serve(s *http.Server) {
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, connectionOf(conn))
	}
	s.ConnState = func(conn net.Conn, state http.ConnState) {
		if c := connectionOf(conn); c != nil && state == http.StateIdle {
			c.rest()
		}
	}
	s.Handler = l.handler(s.Handler)
}

// handler marks connections whose request is in progress.
func (l *connections) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(connectionKey{}).(*connection)
		if c == nil {
			next.ServeHTTP(w, r)
			return
		}
		c.enter(working)
		response := &answer{ResponseWriter: w, connection: c, review: r.Method == http.MethodPost}
		next.ServeHTTP(response, r)
		response.begin(http.StatusNoContent)
		if r.Body != http.NoBody {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(leftoverTimeout))
		}
	})
}

// connection is a connection that a listener tracks.
type connection struct {
	net.Conn
	owner *connections
	// spoke reports whether anything has arrived since the last request.
	spoke atomic.Bool

	// The owner's mutex guards the rest.
	place  *list.Element
	phase  phase
	since  time.Time
	proven bool // has had a decision
	closed bool
}

type connectionKey struct{}

// connectionOf returns the connection beneath the one that a server has wrapped around it.
func connectionOf(conn net.Conn) *connection {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	c, _ := conn.(*connection)
	return c
}

// Read implements net.Conn. A connection that sends something becomes more useful than a silent one.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.spoke.Swap(true) {
		c.owner.mutex.Lock()
		defer c.owner.mutex.Unlock()
		if c.phase == unproven || c.phase == idle {
			c.owner.enter(c, c.phase)
		}
	}
	return n, err
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.owner.mutex.Lock()
	c.owner.forget(c)
	c.owner.mutex.Unlock()
	return c.Conn.Close()
}

func (c *connection) enter(p phase) {
	c.owner.mutex.Lock()
	defer c.owner.mutex.Unlock()
	c.owner.enter(c, p)
}

// rest is called between two requests.
func (c *connection) rest() {
	c.spoke.Store(false)
	c.owner.mutex.Lock()
	defer c.owner.mutex.Unlock()
	if c.proven {
		c.owner.enter(c, idle)
	} else {
		c.owner.enter(c, unproven)
	}
}

// answer notices when a handler begins to answer.
type answer struct {
	http.ResponseWriter
	connection *connection
	review     bool
	begun      bool
}

// Unwrap supports http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.begin(status)
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.begin(http.StatusOK)
	return a.ResponseWriter.Write(p)
}

func (a *answer) begin(status int) {
	if a.begun {
		return
	}
	a.begun = true
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(answerTimeout))
	a.connection.answer(a.review && status == http.StatusOK)
}

func (c *connection) answer(decision bool) {
	c.owner.mutex.Lock()
	defer c.owner.mutex.Unlock()
	c.proven = c.proven || decision
	c.owner.enter(c, answering)
}
