package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// settings are those of a worker for the simulator's merchant, and a few more.
func settings(redis *redistest.Server, g *gateway, key string, more ...string) []string {
	return append([]string{
		"REDIS_URL=" + redis.URL,
		"QFPAY_BASE_URL=" + g.url,
		"QFPAY_APP_CODE=" + simulator.SampleAppCode,
		"QFPAY_CLIENT_KEY=" + key,
		"WORKER_HTTP_ADDR=127.0.0.1:0",
	}, more...)
}

// worker is one `qfpay-worker run`.
type worker struct {
	*process
	pages string // the address of its pages
}

// startWorker runs a worker and waits until it takes orders.
func startWorker(t *testing.T, settings []string) *worker {
	t.Helper()
	return startProgram(t, settings, "qfpay-worker")
}

// startQuick starts a worker for which a minute in the life of a QR code is short. Without that, an order of
// WeChat whose answer was lost takes five minutes.
func startQuick(t *testing.T, settings []string) *worker {
	t.Helper()
	if err := buildFailpoints(); err != nil {
		t.Fatal(err)
	}
	return startProgram(t, append(settings, "QFPAY_MINUTE=40ms"), "failpoints/qfpay-worker")
}

func startProgram(t *testing.T, settings []string, program string) *worker {
	t.Helper()
	w := &worker{process: start(t, settings, program, "run")}
	w.await(t, w.err, "its address and that it takes orders", patience, func(log string) bool {
		_, _, listens := cut(log, `"addr":"`, `"`)
		return listens && strings.Contains(log, "taking orders")
	})
	_, addr, _ := cut(w.err.text(), `"addr":"`, `"`)
	w.pages = "http://" + addr
	return w
}

// cut returns the text before, and between, two texts.
func cut(s, from, to string) (before, between string, ok bool) {
	before, rest, ok1 := strings.Cut(s, from)
	between, _, ok2 := strings.Cut(rest, to)
	return before, between, ok1 && ok2
}

// ready returns the status of /readyz.
func (w *worker) ready(t *testing.T) int {
	t.Helper()
	status, _ := get(t, w.pages+"/readyz")
	return status
}

// settled returns the sum of qfpay_orders_settled_total over all its labels.
func (w *worker) settled(t *testing.T) int {
	t.Helper()
	_, page := get(t, w.pages+"/metrics")
	sum := 0.0
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "qfpay_orders_settled_total{") {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):]), 64)
		if err != nil {
			t.Fatalf("/metrics: %s: %v", line, err)
		}
		sum += value
	}
	return int(sum)
}

// shutDown ends a worker with SIGTERM. It must exit with 0 within its timeout.
func (w *worker) shutDown(t *testing.T, within time.Duration) {
	t.Helper()
	if code, took := w.terminate(t); code != 0 || took > within {
		t.Errorf("SIGTERM: ended with %d after %s; want 0 within %s", code, took, within)
	}
	if !strings.Contains(w.err.text(), `"shut down"`) {
		t.Error("SIGTERM: the log does not say that it shut down")
	}
}

// eventually polls until the condition is true.
func eventually(t *testing.T, what string, within time.Duration, ask func() bool) {
	t.Helper()
	timeout := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// enqueue runs `qfpay-worker enqueue` and returns its exit code and closing line.
func enqueue(t *testing.T, redis *redistest.Server, args ...string) (int, string) {
	t.Helper()
	p := start(t, []string{"REDIS_URL=" + redis.URL}, "qfpay-worker", append([]string{"enqueue"}, args...)...)
	return p.wait(t), strings.TrimSuffix(p.out.text(), "\n")
}

// counts returns the closing line of enqueue.
func counts(enqueued, duplicate, invalid int) string {
	return fmt.Sprintf("enqueued=%d duplicate=%d invalid=%d", enqueued, duplicate, invalid)
}
