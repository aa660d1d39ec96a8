package worker

import (
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
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
