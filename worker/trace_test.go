package worker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// traceOfOrder is the traceparent that a test gives its n-th order.
func traceOfOrder(n int) string {
	return fmt.Sprintf("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba9%04x-01", n)
}

// about returns the lines of the log that name an order.
func (r *rig) about(outTradeNo string) (lines []string) {
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, "out_trade_no="+outTradeNo+" ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// By whatever door an order came, its result and the lines about it say of which trace
// it is.
func TestTrace_ComesBackWithTheResultAndInTheLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.request(append(requestOf(anOrder("T1")), "traceparent", traceOfOrder(1))...)
	r.request("out_trade_no", "T2", "pay_type", "802001", "txamt", "100", "txcurrcd", "HKD", "traceparent", traceOfOrder(2))
	client := asynq.NewClientFromRedisClient(r.rdb)
	for n, payload := range map[int]string{
		3: `{"out_trade_no":"T3","pay_type":"800101","txamt":100,"txcurrcd":"HKD"}`,
		4: `{"out_trade_no":"T4","pay_type":"800101","txamt":0,"txcurrcd":"HKD"}`, // no valid order, and yet a result
	} {
		headers := map[string]string{"traceparent": traceOfOrder(n)}
		_, err := client.Enqueue(asynq.NewTaskWithHeaders(tasks.TypeCreate, []byte(payload), headers), asynq.Queue(r.keys.Queue(tasks.Bulk)))
		ok(t, err)
	}
	for n, traceparent := range []string{5: traceOfOrder(5), 6: "00-malformed", 7: ""} {
		if n < 5 {
			continue
		}
		o := anOrder(fmt.Sprint("T", n))
		o.Traceparent = traceparent
		_, err := r.producer().Enqueue(t.Context(), o)
		ok(t, err)
	}
	stop := r.start()
	results := r.results(7)
	stop() // then every line is written
	want := map[string]string{"T6": "", "T7": ""}
	for n := 1; n <= 5; n++ {
		want[fmt.Sprint("T", n)] = traceOfOrder(n)
	}
	got := map[string]string{}
	for no, result := range results {
		got[no] = result.Traceparent
		lines := r.about(no)
		if len(lines) == 0 {
			t.Errorf("no line about %s", no)
		}
		for _, line := range lines {
			if strings.Contains(line, "traceparent") != (want[no] != "") || !strings.Contains(line, want[no]) {
				t.Errorf("%s: %q is not in %s", no, want[no], line)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h, err := inspect.New(r.rdb, r.keys).Order(t.Context(), "default:T1")
	if ok(t, err); h.Traceparent != traceOfOrder(1) {
		t.Errorf("the history has %q", h.Traceparent)
	}
}

func TestTrace_IsLoggedForAnOrderThatWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	o := anOrder("T1")
	o.Merchant, o.Traceparent = "nobody-s", traceOfOrder(1)
	_, err := r.producer().Enqueue(t.Context(), o)
	ok(t, err)
	stop := r.start()
	r.eventually("the order is deferred", func() bool { return strings.Contains(r.log.String(), "order deferred") })
	stop()
	lines := r.about("T1")
	for _, line := range lines {
		if !strings.Contains(line, "traceparent="+traceOfOrder(1)) {
			t.Errorf("not traced: %s", line)
		}
	}
	if !strings.Contains(strings.Join(lines, ""), "no running worker has this merchant") {
		t.Errorf("the line about the merchant is missing: %q", lines)
	}
}

// An attempt that fails is logged where its claim is not at hand any more.
func TestTrace_IsLoggedForAnOrderThatIsPutAside(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	o := anOrder("T1")
	o.Traceparent = traceOfOrder(1)
	_, err := r.producer().Enqueue(t.Context(), o)
	ok(t, err)
	// A journal that no worker writes, and none goes on with.
	ok(t, r.rdb.HSet(t.Context(), r.keys.Order("default:T1"), "state", "SENT", "order", "{}").Err())
	stop := r.start()
	r.eventually("the order is put aside", func() bool { return strings.Contains(r.log.String(), "an order was put aside") })
	stop()
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, "an order was put aside") && !strings.Contains(line, "traceparent="+traceOfOrder(1)) {
			t.Errorf("not traced: %s", line)
		}
	}
}

func TestTrace_ThatAnotherHasTheOrderIsNoFailure(t *testing.T) {
	t.Parallel()
	if err := (&handler{}).attemptError("default:T1", fmt.Errorf("traced: %w", journal.ErrLost)); err != nil {
		t.Errorf("that an order is in other hands is no failure: %v", err)
	}
}
