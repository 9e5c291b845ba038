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
	// answerTimeout is how long a client may take to read an answer.
	answerTimeout = 5 * time.Second
	// leftoverTimeout is how long net/http waits for the rest of a body that nobody read.
	leftoverTimeout = time.Second
	// answerPatience is after how long a client that does not read its answer is the first
	// to be evicted.
	answerPatience = time.Second
)

// connections is a listener that bounds how many connections are open at once. Where there
// are too many it closes the least useful one and never refuses a new one: callers that are
// many, silent or slow take no connection away from one that is served. From the least
// useful on, the oldest of each first:
//
//   - those that do not read an answer,
//   - those that have not had a decision: handshakes, headers, probes, mistakes,
//   - those that are idle.
//
// One whose request is being worked on is never closed, so that many must fit besides.
type connections struct {
	net.Listener
	most    int
	evicted prometheus.Counter

	mutex sync.Mutex
	open  int
	// phases hold the connections that may be closed, by phase, in the order in which they
	// came there.
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

// ownFiles are kept for everything but callers: the API server, files, the log.
const ownFiles = 128

// affordable returns how many of the wanted connections to the webhook port the limit of open files
// allows, after the reserved ones and ownFiles.
func affordable(wanted, reserved int, files uint64) int {
	if uint64(wanted+reserved+ownFiles) <= files {
		return wanted
	}
	return max(int(files)-reserved-ownFiles, 1)
}

// newConnections bounds the connections of a listener. evicted counts those closed.
func newConnections(l net.Listener, most int, evicted prometheus.Counter) *connections {
	return &connections{Listener: l, most: most, evicted: evicted}
}

// Accept returns the next connection, with room made for it.
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
				return nil, err // net/http waits a moment, and tries again
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
		_ = tcp.SetLinger(0) // what it was sent is not worth keeping
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

// forget takes a connection that is closed, or about to be, out of the count.
func (l *connections) forget(c *connection) {
	if !c.closed {
		l.leave(c)
		c.closed = true
		l.open--
	}
}

// enter makes c the last of its phase to be closed.
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

// serve makes a server report the state of its connections, which it takes from l.
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

// handler marks connections whose requests are worked on.
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

// connection is one of connections.
type connection struct {
	net.Conn
	owner *connections
	// spoke is whether anything has arrived since the last request.
	spoke atomic.Bool

	// The owner's mutex guards the rest.
	place  *list.Element
	phase  phase
	since  time.Time
	proven bool // it has had a decision
	closed bool
}

type connectionKey struct{}

// connectionOf finds the connection that a server calls by the one it has made of it.
func connectionOf(conn net.Conn) *connection {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	c, _ := conn.(*connection)
	return c
}

// Read implements net.Conn. One that begins to speak is worth more than one that is silent.
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

// Unwrap is for http.ResponseController.
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
