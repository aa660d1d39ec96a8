package redistest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// MasterName is what the Sentinels of [StartSentinels] call their master.
const MasterName = "orders"

// Sentinels are the Sentinels of one master, each a process.
type Sentinels struct {
	Addrs []string // host:port of each
	URL   string   // as in REDIS_URL
}

// StartSentinels runs n Sentinels that watch the server at master, host:port, until
// the test ends. A master that is silent for a second counts as down when more than
// half of them say so. It returns when they know each other and the replicas.
func StartSentinels(tb testing.TB, n int, master string, replicas int) *Sentinels {
	tb.Helper()
	all := &Sentinels{}
	for range n {
		all.Addrs = append(all.Addrs, startSentinel(tb, master, n/2+1))
	}
	all.URL = fmt.Sprintf("redis-sentinel://%s/0?master=%s", strings.Join(all.Addrs, ","), MasterName)
	for _, addr := range all.Addrs {
		await(tb, "the Sentinels know each other and the replicas", func() bool {
			state := ask(tb, addr)
			return state["num-other-sentinels"] == fmt.Sprint(n-1) && state["num-slaves"] == fmt.Sprint(replicas)
		})
	}
	return all
}

// Master returns host:port of the server that the Sentinels take for the master.
func (s *Sentinels) Master(tb testing.TB) string {
	tb.Helper()
	state := ask(tb, s.Addrs[0])
	return net.JoinHostPort(state["ip"], state["port"])
}

// ask returns what one Sentinel knows of the master.
func ask(tb testing.TB, addr string) map[string]string {
	tb.Helper()
	rdb := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer rdb.Close()
	state, err := rdb.Master(tb.Context(), MasterName).Result()
	if err != nil {
		return nil // not up yet
	}
	return state
}

// startSentinel runs one Sentinel on a port of its own.
func startSentinel(tb testing.TB, master string, quorum int) (addr string) {
	tb.Helper()
	p := port(tb)
	return runSentinel(tb, p, master, quorum, "port "+p)
}

// StartSentinel runs one Sentinel with further lines of configuration, and with TLS if there is
// an authority. It returns its host:port when it accepts connections.
func StartSentinel(tb testing.TB, master string, a *Authority, lines ...string) (addr string) {
	tb.Helper()
	p := port(tb)
	if a != nil {
		lines = append(a.TLS(tb, p), lines...)
	} else {
		lines = append(lines, "port "+p)
	}
	addr = runSentinel(tb, p, master, 1, lines...)
	await(tb, "the Sentinel accepts connections", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return addr
}

// runSentinel runs one Sentinel. It keeps what it learns in its configuration.
func runSentinel(tb testing.TB, port, master string, quorum int, lines ...string) (addr string) {
	tb.Helper()
	dir := tb.TempDir()
	host, masterPort, err := net.SplitHostPort(master)
	if err != nil {
		tb.Fatal(err)
	}
	conf := filepath.Join(dir, "sentinel.conf")
	text := strings.Join(append([]string{
		"bind 127.0.0.1", "dir " + dir,
		fmt.Sprintf("sentinel monitor %s %s %s %d", MasterName, host, masterPort, quorum),
		"sentinel down-after-milliseconds " + MasterName + " 1000",
		"sentinel failover-timeout " + MasterName + " 5000",
	}, lines...), "\n")
	if err := os.WriteFile(conf, []byte(text+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("redis-server", conf, "--sentinel")
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return net.JoinHostPort("127.0.0.1", port)
}
