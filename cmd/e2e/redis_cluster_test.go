package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// TestRedisCluster_ServesTwoPrefixes: two shards, {a} and {b}, work on different nodes of one
// cluster at the same time. Neither sees the orders of the other, although they have the same order
// numbers.
func TestRedisCluster_ServesTwoPrefixes(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	redis := at(cluster.URL)
	file, orders := sampleFile(t, 60)
	nodes := map[string]bool{}
	for _, prefix := range []string{"{a}", "{b}"} {
		keys := tasks.Keys{Prefix: prefix}
		node := cluster.Node(t, keys.Due())
		nodes[node.Addr] = true
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			gateway := startGateway(t, "--latency", "20ms-60ms")
			worker := startWorker(t, settings(redis, gateway, rightKey, "WORKER_KEY_PREFIX="+prefix, "QFPAY_TIMEOUT=2s", "WORKER_SHUTDOWN_TIMEOUT=12s"))
			if code, line := enqueue(t, redis, "--worker-key-prefix", prefix, file); code != 0 || line != counts(len(orders), 0, 0) {
				t.Fatalf("enqueue: ended with %d, %q", code, line)
			}
			if code, line := enqueue(t, redis, "--worker-key-prefix", prefix, file); code != 0 || line != counts(0, len(orders), 0) {
				t.Errorf("enqueue again: ended with %d, %q", code, line)
			}
			rdb := node.Client(t)
			eventually(t, "every order has its result", time.Minute, func() bool {
				return rdb.XLen(t.Context(), keys.Results()).Val() >= int64(len(orders))
			})
			checkBooks(t, orders, resultsOf(t, redis, prefix), gateway.orders(t))
			checkNothingDue(t, rdb, prefix)
			if n := worker.settled(t); n != len(orders) {
				t.Errorf("qfpay_orders_settled_total is %d, want %d", n, len(orders))
			}
			if _, page := get(t, worker.pages+"/metrics"); !strings.Contains(page, "qfpay_orders_unsettled 0") {
				t.Error("/metrics does not show the backlog of a shard on a cluster")
			}
			if status := worker.ready(t); status != http.StatusOK {
				t.Errorf("/readyz answers %d", status)
			}
			worker.shutDown(t, shutdownTimeout+2*time.Second)
			if strings.Contains(worker.err.text(), `"level":"ERROR"`) {
				t.Error("the worker has logged an error")
			}
		})
	}
	if len(nodes) != 2 {
		t.Errorf("%d nodes have the two prefixes: this test tests too little", len(nodes))
	}
}

// resultsOf reads the whole stream of one prefix.
func resultsOf(t *testing.T, redis *redistest.Server, prefix string) []tasks.Result {
	t.Helper()
	p := start(t, []string{"REDIS_URL=" + redis.URL, "WORKER_KEY_PREFIX=" + prefix}, "qfpay-worker", "results", "--format", "json")
	if code := p.wait(t); code != 0 {
		t.Fatalf("results: ended with %d", code)
	}
	return decode[tasks.Result](t, p.out.text())
}
