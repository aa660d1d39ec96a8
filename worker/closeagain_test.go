package worker

import (
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// A close that QFPay refused is refused again as a rule. The calls belong to other orders: the
// next close comes much later than the next query of an order in doubt would, also when the limits
// have no room for the query that follows.
func TestClose_IsNotRepeatedSoonWhenItWasRefused(t *testing.T) {
	t.Parallel()
	for name, perMinute := range map[string]int{"with room": 400, "without": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Closing: map[qfpay.PayType][]string{}})
			r.config.Merchants[0].PerMinute = perMinute
			r.times.CloseAgain = timing.MaxCloseAgain
			r.fault("drop_after")
			r.start()
			r.enqueue(1, func(_ int, o *tasks.Order) { o.PayType, o.Deadline = qfpay.WeChat, time.Now().Add(time.Hour) })
			r.eventually("the order waits for its next close", func() bool {
				for _, d := range seen[event.Deferred](r.events) {
					if d.Reason == event.DeferDoubt && d.For >= timing.MaxCloseAgain {
						return true
					}
				}
				return false
			})
			closes := 0
			for _, c := range r.gateway.Calls() {
				if c.Endpoint == "close" || c.Endpoint == "reversal" {
					closes++
				}
			}
			if closes != 2 {
				t.Errorf("%d calls to close one order, want one by each way", closes)
			}
		})
	}
}

// WeChat Pay closes no order in its first five minutes. The worker waits as long, and spends no call; then
// it closes the order and issues it again. A cancellation of a published code waits in the same way.
func TestClose_WaitsUntilTheOrderIsOldEnough(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.times.CodeMinute = 400 * time.Millisecond // five of them are 2 s
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		if c.Endpoint == "payment" && c.OutTradeNo == "A0000" {
			return "drop_after"
		}
		return ""
	})
	orders := r.enqueue(2, func(_ int, o *tasks.Order) { // they are accepted well before they are sent
		o.PayType, o.NotBefore, o.Deadline = qfpay.WeChat, time.Now().Add(500*time.Millisecond), time.Now().Add(time.Hour)
	})
	r.start()
	r.eventually("the other code is published", func() bool { return r.rdb.XLen(t.Context(), r.keys.Results()).Val() > 0 })
	i := inspect.New(r.rdb, r.keys)
	c, err := i.Cancel(t.Context(), "default:"+orders[1].OutTradeNo)
	ok(t, err)
	results := r.results(2)
	if got := results["A0000"]; got.Outcome != string(tasks.Created) || got.IssuedAs != "A0000_2" {
		t.Errorf("%+v", got)
	}
	r.eventually("the published code is closed", func() bool {
		c, err = i.CancelNow(t.Context(), c)
		return err != nil || !c.Status.Waits()
	})
	ok(t, err)
	if c.Status != inspect.CancelShut {
		t.Errorf("%+v", c)
	}
	created, closed := map[string]time.Time{}, map[string]int{}
	for _, call := range r.gateway.Calls() {
		switch call.Endpoint {
		case "payment":
			created[call.OutTradeNo] = call.Time
		case "close", "reversal":
			closed[call.OutTradeNo]++
			if age := call.Time.Sub(created[call.OutTradeNo]); age < 1900*time.Millisecond {
				t.Errorf("%s was to be closed when it was %s old", call.OutTradeNo, age)
			}
		}
	}
	if len(closed) != 2 || closed["A0000"] != 1 || closed["A0001"] != 1 {
		t.Errorf("calls to close: %v", closed)
	}
}

// Nobody is called for an order whose wallet closes nothing while its code may run out: not before its
// deadline, and not at all when QFPay shows it dead before.
func TestLost_WaitsForACodeThatCannotBeClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.times.CodeMinute = time.Minute
	r.fault("drop_after")
	r.start()
	deadline := time.Now().Add(3 * time.Second)
	r.enqueue(1, func(_ int, o *tasks.Order) { o.PayType, o.Deadline = qfpay.PayMe, deadline })
	results := r.results(1)
	if got := results["A0000"]; got.Outcome != string(tasks.Unresolved) || time.Now().Before(deadline) {
		t.Errorf("%s before the deadline: %+v", time.Until(deadline), got)
	}
}
