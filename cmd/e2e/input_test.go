package e2e

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/redistest"
)

// shutdownTimeout is WORKER_SHUTDOWN_TIMEOUT in these tests; leaving off the
// servers and the connections may take a little longer than the orders in hand.
const shutdownTimeout = 12 * time.Second

// TestEveryOrderOfTheExamplesBecomesOneQRCode is the whole way once: both files of
// examples/, three workers, and a gateway that holds to QFPay's limits. 600 orders
// at 400 a minute take more than a minute by themselves.
func TestEveryOrderOfTheExamplesBecomesOneQRCode(t *testing.T) {
	t.Parallel()
	// Everything ever written to this Redis stands in its append-only file.
	redis := redistest.Start(t, "--appendonly", "yes")
	gateway := startGateway(t, "--latency", "20ms-120ms")
	var workers []*worker
	for range 3 {
		// Somewhat below the gateway's limits: that the limiter is exact is shown on
		// Redis's clock. Here the gateway is a process too, and one that a busy machine
		// stops for half a second sees calls together that were not made together.
		workers = append(workers, startWorker(t, settings(redis, gateway, rightKey, "WORKER_SHUTDOWN_TIMEOUT=12s",
			"QFPAY_PER_SECOND=70", "QFPAY_PER_MINUTE=370")))
	}
	following := follow(t, redis)
	orders := enqueueExamples(t, redis)
	following.await(t, len(orders), 3*time.Minute)

	checkWorkers(t, workers, len(orders))
	for _, w := range workers {
		w.shutDown(t, shutdownTimeout+2*time.Second)
	}
	checkStream(t, redis, following, orders)
	ledger := gateway.orders(t)
	checkBooks(t, orders, results(t, redis), ledger)
	if len(ledger) != len(orders) {
		t.Errorf("the gateway has %d orders, want %d and no others", len(ledger), len(orders))
	}
	checkLimits(t, gateway)
	checkAppendOnlyFile(t, redis)
}

// enqueueExamples enqueues both files, and the first once more.
func enqueueExamples(t *testing.T, redis *redistest.Server) []wanted {
	t.Helper()
	var orders []wanted
	for _, e := range examples {
		rejects := filepath.Join(t.TempDir(), "rejects.ndjson")
		code, line := enqueue(t, redis, "--rejects", rejects, e.file)
		if want := counts(exampleOrders, exampleDuplicates, len(e.broken)); code != 2 || line != want {
			t.Errorf("enqueue %s: ended with %d, %q; want 2, %q", e.file, code, line, want)
		}
		if lines := rejectedLines(t, rejects); !slices.Equal(lines, e.broken) {
			t.Errorf("enqueue %s: lines %v were rejected, want %v", e.file, lines, e.broken)
		}
		orders = append(orders, e.orders(t)...)
	}
	first := examples[0]
	code, line := enqueue(t, redis, first.file)
	if want := counts(0, exampleOrders+exampleDuplicates, len(first.broken)); code != 2 || line != want {
		t.Errorf("enqueue %s again: ended with %d, %q; want 2, %q", first.file, code, line, want)
	}
	return orders
}

// checkWorkers looks at the pages of workers that have done all there was.
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

// checkStream compares what a follower was shown with what is in the stream.
func checkStream(t *testing.T, redis *redistest.Server, f follower, orders []wanted) {
	t.Helper()
	if code, _ := f.terminate(t); code != 0 {
		t.Errorf("results --follow: SIGTERM: ended with %d", code)
	}
	shown := decode[tasks.Result](t, f.out.text())
	if stream := results(t, redis); !slices.Equal(shown, stream) {
		t.Errorf("results --follow showed %d results, and the stream has %d; they differ", len(shown), len(stream))
	}
	if code, line := enqueue(t, redis, examples[1].file); code != 2 || !strings.HasPrefix(line, "enqueued=0 ") {
		t.Errorf("enqueue after the end: %d, %q; settled orders must be duplicates", code, line)
	}
}

// checkLimits asks the gateway whether its limits held: QFPay's own, 100 calls a
// second and 400 a minute.
func checkLimits(t *testing.T, g *gateway) {
	t.Helper()
	if n := g.peak(t, "1s"); n > 100 {
		t.Errorf("%d calls in one second, want at most 100", n)
	}
	if n := g.peak(t, "1m"); n > 400 {
		t.Errorf("%d calls in one minute, want at most 400", n)
	}
	bad := slices.DeleteFunc(g.calls(t), func(c simulator.Call) bool { return c.HTTPStatus == http.StatusOK && c.DigestOK })
	if len(bad) > 0 {
		t.Errorf("%d calls were not answered with 200, or were not signed well; the first: %+v", len(bad), bad[0])
	}
}

// checkAppendOnlyFile looks for the client key in all that was ever written to
// Redis: keys, payloads, results, asynq's own data.
func checkAppendOnlyFile(t *testing.T, redis *redistest.Server) {
	t.Helper()
	written := redis.Written(t)
	if !strings.Contains(written, "POS-20260302-0001") {
		t.Error("the append-only file has no orders in it: it proves nothing")
	}
	checkSecrets(t, "Redis", written)
}
