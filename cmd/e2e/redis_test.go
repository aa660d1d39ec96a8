package e2e

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// hard selects the long versions of the tests with a failing Redis (make redis-hard).
var hard = flag.Bool("redis.hard", false, "break Redis more often, in the middle of more orders")

// at is a Redis as the programs see it: only its URL.
func at(url string) *redistest.Server { return &redistest.Server{URL: url} }

// quick are settings with which an abandoned order is retried within seconds.
func quick(redis *redistest.Server, g *gateway, more ...string) []string {
	return settings(redis, g, rightKey, append([]string{"QFPAY_TIMEOUT=2s", "WORKER_SHUTDOWN_TIMEOUT=12s", "QFPAY_PER_MINUTE=0"}, more...)...)
}

// published returns how many entries the result stream has.
func published(t *testing.T, rdb redis.UniversalClient) int {
	t.Helper()
	n, err := rdb.XLen(t.Context(), tasks.Keys{Prefix: tasks.DefaultPrefix}.Results()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// checkNothingDue checks that no order with a result is still in due.
func checkNothingDue(t *testing.T, rdb redis.UniversalClient, prefix string) {
	t.Helper()
	due, err := rdb.ZRange(t.Context(), tasks.Keys{Prefix: prefix}.Due(), 0, 5).Result()
	if err != nil || len(due) > 0 {
		t.Errorf("still due after their results: %v, %v", due, err)
	}
}

// TestRedisOutage_RepeatedKillsLoseNothing kills redis-server with SIGKILL while orders are
// processed and restarts it on its append-only file, twice; in the long version every 5 s during
// 5,000 orders. Each time, work continues within 10 s. At the end each order has one result, and the
// gateway agrees.
//
// appendfsync is always: with everysec, Redis answers before a slow disk has the last write.
func TestRedisOutage_RepeatedKillsLoseNothing(t *testing.T) {
	t.Parallel()
	n, rate := 300, 60
	if *hard {
		n, rate = 5000, 100
	}
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	gateway := startGateway(t, "--latency", "50ms-150ms", "--per-minute", "0")
	for range 2 {
		startWorker(t, quick(redis, gateway, fmt.Sprint("QFPAY_PER_SECOND=", rate)))
	}
	file, orders := sampleFile(t, n)
	if code, line := enqueue(t, redis, file); code != 0 || line != counts(n, 0, 0) {
		t.Fatalf("enqueue: ended with %d, %q", code, line)
	}
	rdb := redis.Client(t)
	kills, longest := 0, time.Duration(0)
	for ; untilKill(t, rdb, n, kills); kills++ {
		redis.Kill()
		redis.Boot(t)
		longest = max(longest, recovers(t, rdb, n))
	}
	if kills < 2 {
		t.Errorf("redis-server was killed %d times: this test tests too little", kills)
	}
	eventually(t, "every order has its result", 2*time.Minute, func() bool { return published(t, rdb) >= n })
	checkBooks(t, orders, results(t, redis), gateway.orders(t))
	checkNothingDue(t, rdb, tasks.DefaultPrefix)
	t.Logf("%d orders, %d kills; results came again at most %s after redis-server answered", n, kills, longest.Round(time.Millisecond))
}

// untilKill waits for the next kill, and reports whether there will be one.
func untilKill(t *testing.T, rdb redis.UniversalClient, n, kills int) bool {
	t.Helper()
	last := n * 9 / 10 // a kill at the very end would have no effect
	if !*hard {
		if kills == 2 {
			return false
		}
		eventually(t, "a third of the results", time.Minute, func() bool { return published(t, rdb) >= (kills+1)*n/4 })
		return true
	}
	pause := time.After(5 * time.Second)
	for published(t, rdb) < last {
		select {
		case <-pause:
			return true
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false
}

// recovers waits until there are new results, and returns how long it took.
func recovers(t *testing.T, rdb redis.UniversalClient, n int) time.Duration {
	t.Helper()
	began, before := time.Now(), published(t, rdb)
	if before >= n {
		return 0
	}
	eventually(t, "results come again", patience, func() bool { return published(t, rdb) > before })
	took := time.Since(began)
	if took > 10*time.Second {
		t.Errorf("new results came only %s after redis-server answered", took)
	}
	return took
}
