package worker

import (
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The setting is for orders that have no notify_url, and it is not part of an order: the same order
// again is a duplicate, whatever is sent.
func TestNotifyURL_IsSentForOrdersThatHaveNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.config.NotifyURL = "https://shop.example/qfpay/notify"
	orders := r.enqueue(2, func(i int, o *tasks.Order) {
		if i == 1 {
			o.NotifyURL = "https://other.example/mine"
		}
	})
	stop := r.start()
	r.results(2)
	stop()
	sent := map[string]string{}
	for _, o := range r.gateway.Orders() {
		sent[o.OutTradeNo] = o.NotifyURL
	}
	if a, b := sent[orders[0].OutTradeNo], sent[orders[1].OutTradeNo]; a != "https://shop.example/qfpay/notify/default" || b != "https://other.example/mine" {
		t.Errorf("QFPay was told %q and %q", a, b)
	}
	for _, o := range orders {
		if again, err := r.producer().Enqueue(t.Context(), o); err != nil || again.Status != tasks.Duplicate {
			t.Errorf("again: %+v, %v", again, err)
		}
	}
}
