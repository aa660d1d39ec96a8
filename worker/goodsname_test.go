package worker

import (
	"strings"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The gateway gets a name that it takes, and the journal keeps the one that was given: the same
// order again is a duplicate, whatever is sent.
func TestGoodsName_IsCleanedOnTheWayToQFPay(t *testing.T) {
	t.Parallel()
	for form, want := range map[tasks.GoodsName]struct{ outcome, reason string }{
		tasks.CleanName:  {"created", ""},
		tasks.StrictName: {"rejected", `such as "特價MilkTea" (QFPAY_GOODS_NAME=strict)`},
		tasks.AsIsName:   {"rejected", ""}, // by the simulator, which takes QFPay's page literally
	} {
		r := newRig(t, simulator.Config{})
		r.config.GoodsName = form
		change := func(_ int, o *tasks.Order) {
			o.GoodsName, o.PayType, o.ExpiredTime = "★特價★ Milk Tea", qfpay.FPS, 30
		}
		orders := r.enqueue(1, change)
		stop := r.start()
		result := r.results(1)[orders[0].OutTradeNo]
		stop()
		if result.Outcome != want.outcome || !strings.Contains(result.Reason, want.reason) {
			t.Errorf("%s: %+v", form, result)
		}
		books := r.gateway.Orders()
		if form == tasks.CleanName && (len(books) != 1 || books[0].GoodsName != "特價MilkTea") {
			t.Errorf("%s: the books have %+v", form, books)
		}
		again, err := r.producer().Enqueue(t.Context(), orders[0])
		if err != nil || again.Status != tasks.Duplicate {
			t.Errorf("%s: again: %+v, %v", form, again, err)
		}
	}
}

// A worker that becomes strict refuses no order that an earlier one has sent: it may be paid.
func TestGoodsName_StrictIsForOrdersOfWhichNothingWasSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	lost := make(chan struct{}, 100)
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		if c.Endpoint == "payment" {
			lost <- struct{}{}
			return "drop_after"
		}
		return "drop"
	})
	orders := r.enqueue(1, func(_ int, o *tasks.Order) { o.GoodsName = "Milk Tea" })
	stop := r.start()
	<-lost
	stop()
	r.gateway.Choose(func(simulator.Call) simulator.Fault { return "" })
	r.config.GoodsName = tasks.StrictName
	r.start()
	if result := r.results(1)[orders[0].OutTradeNo]; result.Outcome != "created" || result.IssuedAs != orders[0].OutTradeNo+"_2" {
		t.Errorf("%+v", result)
	}
}
