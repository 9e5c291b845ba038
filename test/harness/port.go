package harness

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

var (
	given      = map[int]bool{}
	givenMutex sync.Mutex
)

// freePort returns a port on 127.0.0.1 that the server can keep across a restart: it is below the range that
// systems use for outgoing connections.
func freePort(ctx context.Context) (int, error) {
	givenMutex.Lock()
	defer givenMutex.Unlock()
	for range 1000 {
		port := 20000 + rand.IntN(10000) //nolint:gosec // a port is no secret
		if given[port] {
			continue
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(localhost, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		given[port] = true
		return port, listener.Close()
	}
	return 0, errors.New("no free port between 20000 and 30000")
}

const localhost = "127.0.0.1"

func address(port int) string { return net.JoinHostPort(localhost, strconv.Itoa(port)) }
