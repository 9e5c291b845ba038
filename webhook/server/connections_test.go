package server

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// limited is a server with a limited number of connections. /work answers when the test releases it.
type limited struct {
	*connections
	address string
	release chan struct{}
}

func newLimited(t *testing.T, most int) *limited {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &limited{
		connections: newConnections(listener, most, prometheus.NewCounter(prometheus.CounterOpts{Name: "evicted"})),
		address:     listener.Addr().String(), release: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/decide", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "decided") })
	mux.HandleFunc("/work", func(w http.ResponseWriter, _ *http.Request) {
		<-l.release
		writeText(w, http.StatusOK, "worked")
	})
	server := newHTTPServer(mux, logr.Discard())
	server.ReadTimeout = 0 // it would close connections that are not evicted
	l.serve(server)
	go server.Serve(l.connections) //nolint:errcheck // ends with the test
	t.Cleanup(func() { _ = server.Close() })
	return l
}

// caller is one connection to the server.
type caller struct {
	t *testing.T
	net.Conn
	answers *bufio.Reader
}

func (l *limited) dial(t *testing.T) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{t: t, Conn: conn, answers: bufio.NewReader(conn)}
}

func (c *caller) send(path string) {
	_, _ = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", path)
}

func (c *caller) answer() string {
	c.t.Helper()
	response, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return string(text)
}

// isOpen reports whether the server has kept the connection open.
func (c *caller) isOpen() bool {
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer c.SetReadDeadline(time.Time{}) //nolint:errcheck // it is open or not
	_, err := c.answers.Peek(1)
	timeout, ok := err.(net.Error) //nolint:errorlint // as net returns it
	return err == nil || ok && timeout.Timeout()
}

// reaches waits until n connections are in a phase.
func (l *limited) reaches(t *testing.T, p phase, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d connections in phase %d", n, p), func() bool {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		if p == working {
			return l.open-l.phases[answering].Len()-l.phases[unproven].Len()-l.phases[idle].Len() == n
		}
		return l.phases[p].Len() == n
	})
}

func TestTheLeastUsefulConnectionIsClosed(t *testing.T) {
	l := newLimited(t, 4)
	proven := l.dial(t)
	proven.send("/decide")
	if text := proven.answer(); text != "decided" {
		t.Fatal(text)
	}
	l.reaches(t, idle, 1)
	busy := l.dial(t)
	busy.send("/work")
	l.reaches(t, working, 1)
	lost := l.dial(t) // it has had an answer, but no decision
	lost.send("/nowhere")
	lost.answer()
	l.reaches(t, unproven, 1)
	silent := l.dial(t)
	l.reaches(t, unproven, 2)

	l.dial(t)
	eventually(t, "closing the lost one", func() bool { return !lost.isOpen() })
	if !silent.isOpen() || !proven.isOpen() {
		t.Error("more than the least useful one is closed")
	}
	for range 20 {
		l.dial(t)
	}
	eventually(t, "closing the silent one", func() bool { return !silent.isOpen() })
	if !proven.isOpen() {
		t.Error("the one that has had a decision is closed for those that have not")
	}
	close(l.release)
	if text := busy.answer(); text != "worked" {
		t.Errorf("the one that was worked on got %q", text)
	}
}

// New connections are served however many there are, and requests in progress get their answers.
func TestNewConnectionsAreServedHoweverMany(t *testing.T) {
	l := newLimited(t, 10)
	var busy []*caller
	for i := range 5 {
		c := l.dial(t)
		c.send("/work")
		busy = append(busy, c)
		l.reaches(t, working, i+1)
	}
	for range 50 {
		l.dial(t)
		c := l.dial(t)
		c.send("/decide")
		if text := c.answer(); text != "decided" {
			t.Fatal(text)
		}
	}
	close(l.release)
	for _, c := range busy {
		if text := c.answer(); text != "worked" {
			t.Error(text)
		}
	}
	if n := l.count(); n > 10 {
		t.Errorf("%d connections", n)
	}
}

// While every connection has a request in progress, none can be closed, and a new one must wait.
func TestBusyConnectionsAreNotClosed(t *testing.T) {
	l := newLimited(t, 3)
	var busy []*caller
	for i := range 3 {
		c := l.dial(t)
		c.send("/work")
		busy = append(busy, c)
		l.reaches(t, working, i+1)
	}
	more := l.dial(t)
	eventually(t, "turning one more away", func() bool { return !more.isOpen() })
	close(l.release)
	for _, c := range busy {
		if text := c.answer(); text != "worked" {
			t.Error(text)
		}
	}
}

// A client that does not read its answer is closed first.
func TestDeafConnectionsAreClosedFirst(t *testing.T) {
	l := newConnections(nil, 3, prometheus.NewCounter(prometheus.CounterOpts{Name: "evicted"}))
	admit := func(p phase, age time.Duration) *connection {
		conn, other := net.Pipe()
		t.Cleanup(func() { _ = other.Close() })
		c := l.admit(conn)
		c.enter(p)
		c.since = time.Now().Add(-age)
		return c
	}
	old := admit(unproven, time.Minute)
	answered := admit(answering, answerPatience/2)
	deaf := admit(answering, 2*answerPatience)
	// The lists are in chronological order.
	l.phases[answering].MoveToFront(deaf.place)
	for _, want := range []*connection{deaf, old} {
		if got := l.leastUseful(); got != want {
			t.Errorf("%+v is closed first, want %+v", got, want)
		}
	}
	if got := l.leastUseful(); got != nil {
		t.Errorf("%+v is closed while it is being answered (%+v)", got, answered)
	}
}

// Whatever clients do, the limit holds and the count is correct.
func TestConnectionsAreCounted(t *testing.T) {
	for _, seed := range []uint64{1, rand.Uint64()} {
		t.Logf("seed %d", seed)
		const most = 8
		l := newLimited(t, most)
		close(l.release)
		var clients sync.WaitGroup
		for i := range uint64(16) {
			clients.Go(func() {
				random := rand.New(rand.NewPCG(seed, i))
				for range 20 {
					conn, err := net.Dial("tcp", l.address)
					if err != nil {
						continue
					}
					c := &caller{t: t, Conn: conn, answers: bufio.NewReader(conn)}
					switch random.IntN(4) {
					case 0:
						_, _ = io.WriteString(c, "POST /decide HTTP/1.1\r\nHost:")
					case 1:
						c.send("/nowhere")
						c.answer()
					case 2:
						c.send("/decide")
						if text := c.answer(); text == "decided" {
							c.send("/work")
							c.answer()
						}
					}
					if n := l.count(); n > most {
						t.Errorf("%d connections", n)
					}
					_ = c.Close()
				}
			})
		}
		clients.Wait()
		eventually(t, "every connection to be gone", func() bool { return l.count() == 0 })
		for p := range l.phases {
			if n := l.phases[p].Len(); n != 0 {
				t.Errorf("%d connections are left in phase %d", n, p)
			}
		}
	}
}

// If the process cannot open more files, an idle connection is closed.
func TestTooManyFiles(t *testing.T) {
	listener := &exhausted{}
	l := newConnections(listener, 10, prometheus.NewCounter(prometheus.CounterOpts{Name: "evicted"}))
	if _, err := l.Accept(); err == nil || !strings.Contains(err.Error(), "too many open files") {
		t.Errorf("with nothing to close: %v", err)
	}
	first, _ := net.Pipe()
	held := l.admit(first)
	listener.left, listener.made = 1, false
	if c, err := l.Accept(); err != nil || c == nil {
		t.Errorf("after one was closed: %v", err)
	}
	if !held.closed || l.count() != 1 {
		t.Errorf("closed %t, %d connections", held.closed, l.count())
	}
}

// exhausted is a listener that fails until a connection is closed.
type exhausted struct {
	net.Listener
	left int
	made bool
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.left > 0 && e.made {
		e.left--
		conn, _ := net.Pipe()
		return conn, nil
	}
	e.made = true
	return nil, fmt.Errorf("accept: %w", syscall.EMFILE)
}

func TestConnectionsAreNoMoreThanFiles(t *testing.T) {
	for _, c := range []struct {
		wanted, reserved int
		files            uint64
		want             int
	}{
		{2560, 512, 1 << 20, 2560},
		{2560, 512, 4096, 2560},
		{2560, 512, 1024, 1024 - 512 - ownFiles},
		{2560, 512, 256, 1},
	} {
		if got := affordable(c.wanted, c.reserved, c.files); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// A header takes memory before the request is even known.
func TestLongHeadersAreRefused(t *testing.T) {
	l := newLimited(t, 4)
	c := l.dial(t)
	_, _ = fmt.Fprintf(c, "POST /decide HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nX: %s\r\n\r\n", strings.Repeat("x", 2*maxHeaderBytes))
	if line, _ := c.answers.ReadString('\n'); !strings.Contains(line, "431") {
		t.Error(line)
	}
}

// The rest of an unread body is not waited for.
func TestTheRestOfABodyIsNotWaitedFor(t *testing.T) {
	l := newLimited(t, 4)
	c := l.dial(t)
	_, _ = io.WriteString(c, "POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx")
	if text := c.answer(); !strings.Contains(text, "not found") {
		t.Error(text)
	}
	eventually(t, "closing the connection", func() bool { return !c.isOpen() })
}
