package redistest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// StartTCP is Start, on a port of the loopback interface too: for replication,
// Sentinels, clusters and proxies, which know no unix sockets.
func StartTCP(tb testing.TB, args ...string) *Server {
	tb.Helper()
	p := port(tb)
	// Without the delay a replica waits 5 s for others to be served together with it.
	s := Start(tb, append([]string{"--bind", "127.0.0.1", "--port", p, "--repl-diskless-sync-delay", "0"}, args...)...)
	s.Addr = net.JoinHostPort("127.0.0.1", p)
	s.URL = fmt.Sprintf("redis://%s/0", s.Addr)
	return s
}

// Ports are taken from below 32768, where no system puts the near end of outgoing
// connections, so that a server finds its port free when it is booted again.
const (
	firstPort = 20_000
	lastPort  = 32_000
)

// port finds a free TCP port and keeps it for this test, among all processes that
// ask here, by holding the UDP port of the same number: redis-server uses none.
func port(tb testing.TB) string {
	tb.Helper()
	for range 1000 {
		n := firstPort + rand.IntN(lastPort-firstPort)
		held, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", n))
		if err != nil {
			continue
		}
		free, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", n))
		if err != nil {
			held.Close()
			continue
		}
		free.Close()
		tb.Cleanup(func() { held.Close() })
		return strconv.Itoa(n)
	}
	tb.Fatalf("no free port from %d to %d", firstPort, lastPort)
	return ""
}
