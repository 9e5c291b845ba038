package harness

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Balancer replaces a Service: it connects each new connection to a server that is ready, and leaves existing
// ones alone.
type Balancer struct {
	listener net.Listener
	servers  []*Server
	next     atomic.Uint64
	open     sync.WaitGroup
	stop     context.CancelFunc
}

// NewBalancer listens until Close.
func NewBalancer(ctx context.Context, servers ...*Server) (*Balancer, error) {
	ctx, stop := context.WithCancel(ctx)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(localhost, "0"))
	if err != nil {
		stop()
		return nil, err
	}
	b := &Balancer{listener: listener, servers: servers, stop: stop}
	b.open.Go(func() { b.accept(ctx) })
	return b, nil
}

// Address returns the host and port to connect to.
func (b *Balancer) Address() string { return b.listener.Addr().String() }

// Close ends every connection.
func (b *Balancer) Close() error {
	b.stop()
	err := b.listener.Close()
	b.open.Wait()
	return err
}

func (b *Balancer) accept(ctx context.Context) {
	for {
		connection, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.open.Go(func() { b.lead(ctx, connection) })
	}
}

// lead copies in both directions until one side ends.
func (b *Balancer) lead(ctx context.Context, from net.Conn) {
	defer from.Close() //nolint:errcheck // whatever is wrong with it, it is over
	to, err := b.connect(ctx)
	if err != nil {
		return
	}
	defer to.Close() //nolint:errcheck // as above
	defer context.AfterFunc(ctx, func() { _ = errors.Join(from.Close(), to.Close()) })()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			if half, ok := way[0].(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
		})
	}
	both.Wait()
}

// connect tries the servers in turn. It checks readiness for each connection, so there is none of the delay of
// a real Service's endpoints.
func (b *Balancer) connect(ctx context.Context) (net.Conn, error) {
	first := b.next.Add(1)
	for i := range uint64(len(b.servers)) {
		server := b.servers[(first+i)%uint64(len(b.servers))]
		if server.Ready(ctx) != nil {
			continue
		}
		if connection, err := new(net.Dialer).DialContext(ctx, "tcp", server.Address()); err == nil {
			return connection, nil
		}
	}
	return nil, errors.New("no server is ready")
}
