package e2e

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// shutdownTimeout is WORKER_SHUTDOWN_TIMEOUT in these tests. After the orders in flight, closing
// servers and connections may take a little longer.
const shutdownTimeout = 12 * time.Second

// enqueue enqueues the file twice, and returns its valid orders.
func (e example) enqueue(t *testing.T, redis *redistest.Server) []wanted {
	t.Helper()
	rejects := filepath.Join(t.TempDir(), "rejects.ndjson")
	code, line := enqueue(t, redis, "--rejects", rejects, e.file)
	if want := counts(exampleOrders, exampleDuplicates, len(e.broken)); code != 2 || line != want {
		t.Errorf("enqueue %s: ended with %d, %q; want 2, %q", e.file, code, line, want)
	}
	if lines := rejectedLines(t, rejects); !slices.Equal(lines, e.broken) {
		t.Errorf("enqueue %s: lines %v were rejected, want %v", e.file, lines, e.broken)
	}
	code, line = enqueue(t, redis, e.file)
	if want := counts(0, exampleOrders+exampleDuplicates, len(e.broken)); code != 2 || line != want {
		t.Errorf("enqueue %s again: ended with %d, %q; want 2, %q", e.file, code, line, want)
	}
	return e.orders(t)
}

// checkWorkers checks the pages of workers that have processed all orders.
func checkWorkers(t *testing.T, workers []*worker, orders int) {
	t.Helper()
	sum := 0
	for i, w := range workers {
		if status := w.ready(t); status != http.StatusOK {
			t.Errorf("worker %d: /readyz answers %d", i, status)
		}
		settled := w.settled(t)
		if settled == 0 {
			t.Errorf("worker %d has done nothing", i)
		}
		sum += settled
	}
	if sum != orders {
		t.Errorf("qfpay_orders_settled_total is %d over all workers, want %d", sum, orders)
	}
}

// checkStream compares the output of a follower with the stream.
func (e example) checkStream(t *testing.T, redis *redistest.Server, f follower) {
	t.Helper()
	if code, _ := f.terminate(t); code != 0 {
		t.Errorf("results --follow: SIGTERM: ended with %d", code)
	}
	shown := decode[tasks.Result](t, f.out.text())
	if stream := results(t, redis); !slices.Equal(shown, stream) {
		t.Errorf("results --follow showed %d results, and the stream has %d; they differ", len(shown), len(stream))
	}
	if code, line := enqueue(t, redis, e.file); code != 2 || !strings.HasPrefix(line, "enqueued=0 ") {
		t.Errorf("enqueue after the end: %d, %q; settled orders must be duplicates", code, line)
	}
}

// checkLimits checks at the gateway that its limits were respected.
func checkLimits(t *testing.T, g *gateway, perMinute int) {
	t.Helper()
	if n := g.peak(t, "1s"); n > examplesPerSecond {
		t.Errorf("%d calls in one second, want at most %d", n, examplesPerSecond)
	}
	if n := g.peak(t, "1m"); n > perMinute {
		t.Errorf("%d calls in one minute, want at most %d", n, perMinute)
	}
	bad := slices.DeleteFunc(g.calls(t), func(c simulator.Call) bool { return c.HTTPStatus == http.StatusOK && c.DigestOK })
	if len(bad) > 0 {
		t.Errorf("%d calls were not answered with 200, or were not signed well; the first: %+v", len(bad), bad[0])
	}
}

// checkAppendOnlyFile searches for the client key in everything that was ever written to Redis:
// keys, payloads, results, asynq's own data.
func checkAppendOnlyFile(t *testing.T, redis *redistest.Server, order wanted) {
	t.Helper()
	written := redis.Written(t)
	if !strings.Contains(written, order.outTradeNo) {
		t.Error("the append-only file has no orders in it: it proves nothing")
	}
	checkSecrets(t, "Redis", written)
}
