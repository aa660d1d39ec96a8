package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// TestFailpoint_AClosingGoesOnElsewhere kills a worker between two steps of closing a published order that somebody
// asked to cancel. Another worker goes on when the dead one's turn has passed: the order is closed once, or, when a
// customer pays meanwhile, shown as paid and not closed.
func TestFailpoint_AClosingGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	run := failpointChaos(t, 2)
	for _, c := range []struct {
		number, point string
		paid          bool
		closed        string
		closes        int
	}{
		{"Q1", "closing_queried", false, "closed", 1},
		{"Q2", "closing_queried", true, "paid", 0},
		{"C1", "closing_closed", false, "closed", 1},
	} {
		ctx, id := t.Context(), tasks.DefaultMerchant+":"+c.number
		order := tasks.Order{Order: qfpay.Order{OutTradeNo: c.number, PayType: qfpay.AlipayHK, TxAmt: 300, TxCurrCd: "HKD"}}
		if _, err := tasks.NewProducer(run.rdb, keys).Enqueue(ctx, order); err != nil {
			t.Fatal(err)
		}
		run.orders = append(run.orders, order)
		run.plan.orders = len(run.orders)
		run.fleet.start(0, "QFPAY_KILL_AT="+c.point)
		run.all(patience)
		if asked, err := inspect.New(run.rdb, keys).Cancel(ctx, id); err != nil || asked.Status != inspect.CancelClose {
			t.Fatalf("%+v, %v", asked, err)
		}
		dead := run.fleet.slots[0]
		dead.await(t, dead.err, "it dies at "+c.point, patience, func(log string) bool { return strings.Contains(log, "killed at "+c.point) })
		run.fleet.retire(0)
		if due := run.rdb.ZScore(ctx, keys.Closing(), id); due.Err() != nil || run.rdb.HExists(ctx, keys.Order(id), "closed").Val() {
			t.Fatalf("%s: the worker died, and nobody is to go on: %v\n%s", c.number, due.Err(), run.history(c.number))
		}
		if c.paid {
			run.gateway.post(t, "pay", url.Values{"out_trade_no": {c.number}})
		}
		run.rdb.ZAddXX(ctx, keys.Closing(), redis.Z{Member: id, Score: 1}) // the dead worker's turn has passed
		run.fleet.start(1)
		eventually(t, "another worker ends the closing", patience, func() bool {
			return run.rdb.HGet(ctx, keys.Order(id), "closed").Val() != ""
		})
		run.fleet.stop(1)
		closes := countIf(run.gateway.calls(t), func(call simulator.Call) bool {
			return call.OutTradeNo == c.number && (call.Endpoint == "close" || call.Endpoint == "reversal")
		})
		if closed := run.rdb.HGet(ctx, keys.Order(id), "closed").Val(); closed != c.closed || closes != c.closes {
			t.Errorf("%s: %s after %d closes, want %s after %d\n%s", c.number, closed, closes, c.closed, c.closes, run.history(c.number))
		}
	}
	run.report(run.audit().violations())
}
