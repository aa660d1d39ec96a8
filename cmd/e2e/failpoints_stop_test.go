package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// TestFailpoint_LateWorkerChangesNothing stops a worker that processes an order until its lease
// has expired, and another worker has stopped at a failpoint with the same order. Then the first
// one continues to its end, and after that the other. Nothing that the first one still does may
// count. Otherwise each case would publish two QR codes, or one that is about to be closed.
func TestFailpoint_LateWorkerChangesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, second string // where they stop
		payType       qfpay.PayType
		outcome       tasks.Outcome
		issued        string
	}{
		{"claimed", "intended", qfpay.FPS, tasks.Created, "A1"},
		{"claimed", "answered", qfpay.FPS, tasks.Created, "A1"},
		{"answered", "voided", qfpay.WeChat, tasks.Created, "A1_2"},   // the first one has a QR code that is being closed
		{"answered", "closed", qfpay.AlipayHK, tasks.Created, "A1_2"}, // and now it is closed
		{"answered", "minted", qfpay.WeChat, tasks.Created, "A1_2"},   // and the order number of the reissue is chosen
		{"answered", "intended", qfpay.AlipayHK, tasks.Created, "A1_2"},
		{"answered", "answered", qfpay.WeChat, tasks.Created, "A1_2"}, // two QR codes, of which one is dead
		{"answered", "settled", qfpay.FPS, tasks.Unresolved, "A1"},    // the order cannot be closed, and the result says so
	} {
		t.Run(c.first+", then "+c.second, func(t *testing.T) {
			t.Parallel()
			run := failpointChaos(t, 2)
			order := tasks.Order{Order: qfpay.Order{OutTradeNo: "A1", PayType: c.payType, TxAmt: 300, TxCurrCd: "HKD"}}
			if _, err := tasks.NewProducer(run.rdb, keys).Enqueue(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			run.orders, run.plan.orders = []tasks.Order{order}, 1
			run.fleet.stopsAt(0, c.first)
			run.fleet.stopsAt(1, c.second) // when the lease has expired
			run.fleet.signal(0, syscall.SIGCONT)
			run.fleet.stop(0)
			run.fleet.signal(1, syscall.SIGCONT)
			run.fleet.start(0)
			run.all(patience)
			run.close()
			if r := results(t, run.server); len(r) != 1 || r[0].Outcome != string(c.outcome) || r[0].IssuedAs != c.issued {
				t.Errorf("%+v; want one result: %s as %s\n%s", r, c.outcome, c.issued, run.history("A1"))
			}
		})
	}
}

// stopsAt starts a worker and waits until it has stopped at a failpoint.
func (f *fleet) stopsAt(slot int, name string) {
	f.t.Helper()
	f.start(slot, "QFPAY_STOP_AT="+name)
	f.slots[slot].await(f.t, f.slots[slot].err, "it stops at "+name, patience, func(log string) bool {
		return strings.Contains(log, "stopped at "+name)
	})
}
