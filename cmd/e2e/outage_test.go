package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// TestRedisOutage_LosesNothing kills redis-server while orders are processed. No call may be sent
// while it is down, and answers that arrive meanwhile are recorded when it is back. The orders have
// pay types whose lost QR code can be reissued, so each of them must get one.
func TestRedisOutage_LosesNothing(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--appendonly", "yes")
	gateway := startGateway(t, "--latency", "50ms-150ms")
	workers := make([]*worker, 2)
	for i := range workers {
		workers[i] = startWorker(t, settings(redis, gateway, rightKey, "QFPAY_TIMEOUT=2s", "WORKER_SHUTDOWN_TIMEOUT=12s",
			// Slow enough that the kill comes before the end.
			"QFPAY_PER_SECOND=10"))
	}
	file, orders := sampleFile(t, 60)
	before := follow(t, redis)
	if code, line := enqueue(t, redis, file); code != 0 || line != counts(len(orders), 0, 0) {
		t.Fatalf("enqueue: ended with %d, %q", code, line)
	}
	before.await(t, 15, time.Minute)

	redis.Kill()
	for _, w := range workers {
		eventually(t, "/readyz answers 503 without Redis", patience, func() bool {
			return w.ready(t) == http.StatusServiceUnavailable
		})
	}
	if code := before.wait(t); code != 1 {
		t.Errorf("results --follow: ended with %d when Redis did, want 1", code)
	}
	redis.Boot(t)
	for _, w := range workers {
		eventually(t, "/readyz answers 200 again", patience, func() bool { return w.ready(t) == http.StatusOK })
	}

	follow(t, redis).await(t, len(orders), 2*time.Minute)
	for _, w := range workers {
		w.shutDown(t, shutdownTimeout+2*time.Second)
	}
	checkBooks(t, orders, results(t, redis), gateway.orders(t))
}
