package redistest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Cluster is a Redis Cluster of masters without replicas, each a process.
type Cluster struct {
	Nodes []*Server
	URL   string // as in REDIS_URL
}

const slots = 16384

// StartCluster runs a cluster of n masters, which share the slots evenly, until the
// test ends. It returns when every node says that all slots are served.
func StartCluster(tb testing.TB, n int) *Cluster {
	tb.Helper()
	c := &Cluster{}
	bus := make([]string, n)
	for i := range n {
		var node []string
		node, bus[i] = clusterNode(tb)
		c.Nodes = append(c.Nodes, StartTCP(tb, append(node, "--cluster-node-timeout", "5000")...))
	}
	addrs := make([]string, n)
	for i, node := range c.Nodes {
		addrs[i] = node.Addr
		node.Do(tb, "cluster", "set-config-epoch", i+1)
		node.Do(tb, "cluster", "addslotsrange", i*slots/n, (i+1)*slots/n-1)
		host, p, err := net.SplitHostPort(node.Addr)
		if err != nil {
			tb.Fatal(err)
		}
		if i > 0 {
			c.Nodes[0].Do(tb, "cluster", "meet", host, p, bus[i])
		}
	}
	c.URL = "redis-cluster://" + strings.Join(addrs, ",")
	for _, node := range c.Nodes {
		await(tb, "the nodes know each other", func() bool {
			info := node.Do(tb, "cluster", "info")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", n))
		})
	}
	return c
}

// ClusterNode returns the settings of a server that is a cluster of its own.
func ClusterNode(tb testing.TB) []string {
	tb.Helper()
	settings, _ := clusterNode(tb)
	return append(settings, "--cluster-announce-ip", "127.0.0.1")
}

// clusterNode returns the settings of a node, and its port for the other nodes. Left to itself a
// node takes the port 10,000 above its own, where outgoing connections may have their near end.
func clusterNode(tb testing.TB) (settings []string, bus string) {
	tb.Helper()
	bus = port(tb)
	return []string{"--cluster-enabled", "yes", "--cluster-port", bus}, bus
}

// Client returns a client of the cluster, closed when the test ends.
func (c *Cluster) Client(tb testing.TB) *redis.ClusterClient {
	tb.Helper()
	var addrs []string
	for _, node := range c.Nodes {
		addrs = append(addrs, node.Addr)
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	tb.Cleanup(func() { rdb.Close() })
	return rdb
}

// Node returns the node that serves the key.
func (c *Cluster) Node(tb testing.TB, key string) *Server {
	tb.Helper()
	master, err := c.Client(tb).MasterForKey(context.Background(), key)
	if err != nil {
		tb.Fatal(err)
	}
	for _, node := range c.Nodes {
		if node.Addr == master.Options().Addr {
			return node
		}
	}
	tb.Fatalf("no node serves %s", key)
	return nil
}
