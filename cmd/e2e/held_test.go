package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// TestBreaker_WrongClientKeyKeepsOrdersWaiting: if QFPay refuses a key, the configuration is wrong
// and no order should fail. The orders wait, the gateway gets few calls, the log names the
// merchant, and with the right key the orders continue.
func TestBreaker_WrongClientKeyKeepsOrdersWaiting(t *testing.T) {
	t.Parallel()
	const inFlight = 8
	redis := redistest.Start(t)
	gateway := startGateway(t, "--latency", "20ms-120ms")
	file, orders := sampleFile(t, 60)
	if code, line := enqueue(t, redis, file); code != 0 || line != counts(len(orders), 0, 0) {
		t.Fatalf("enqueue: ended with %d, %q", code, line)
	}

	mistaken := startWorker(t, settings(redis, gateway, wrongKey,
		"WORKER_CONCURRENCY=8", "QFPAY_TIMEOUT=2s", "WORKER_SHUTDOWN_TIMEOUT=12s"))
	mistaken.await(t, mistaken.err, "that this merchant is refused", patience, complains)
	var calls []simulator.Call
	eventually(t, "a probe is answered, seconds after the first calls", patience, func() bool {
		calls = gateway.calls(t)
		last := calls[len(calls)-1]
		return last.Time.Sub(calls[0].Time) > 4*time.Second && last.HTTPStatus != 0
	})
	// The orders in flight at the third answer, and the probe.
	if len(calls) > inFlight+3 {
		t.Errorf("%d calls until the first probe, with %d orders in flight at once", len(calls), inFlight)
	}
	if odd := slices.DeleteFunc(calls, func(c simulator.Call) bool { return c.RespCd == "1108" }); len(odd) > 0 {
		t.Errorf("the gateway did not refuse %d signatures; the first: %+v", len(odd), odd[0])
	}
	mistaken.shutDown(t, shutdownTimeout+2*time.Second)
	if early := results(t, redis); len(early) > 0 {
		t.Errorf("a wrong key led to %d results: %+v", len(early), early[0])
	}

	startWorker(t, settings(redis, gateway, rightKey, "QFPAY_TIMEOUT=2s", "WORKER_SHUTDOWN_TIMEOUT=12s"))
	follow(t, redis).await(t, len(orders), time.Minute)
	checkBooks(t, orders, results(t, redis), gateway.orders(t))
}

// complains reports whether a log names the merchant in an error.
func complains(log string) bool {
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"level":"ERROR"`) && strings.Contains(line, `"merchant":"default"`) &&
			strings.Contains(line, "1108") && strings.Contains(line, "client key") {
			return true
		}
	}
	return false
}
