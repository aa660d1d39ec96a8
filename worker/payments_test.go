package worker

import (
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// A code is paid, and its event comes, with the time at which QFPay was paid.
func TestPayments_FollowAPublishedCodeUntilItIsPaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.config.Payments = true
	r.start()
	r.enqueue(2, func(i int, o *tasks.Order) { o.Batch = "B" })
	r.results(2)
	if err := r.gateway.Pay("A0001"); err != nil {
		t.Fatal(err)
	}
	var got tasks.Payment
	for began := time.Now(); got.ID == "" && time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		entries, err := tasks.NewPayments(r.rdb, r.keys).Read(t.Context(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > 0 {
			got = entries[0].Payment
		}
	}
	if got.ID != "default:A0001:paid" || got.IssuedAs != "A0001" || got.PaidAt == "" || got.Batch != "B" || got.SeenBy != tasks.ByEnquiry || got.Syssn == "" {
		t.Errorf("%+v\n%s", got, r.log.tail(20))
	}
	if open := r.rdb.ZRange(t.Context(), r.keys.Open("default"), 0, -1).Val(); len(open) != 1 || open[0] != "default:A0000" {
		t.Errorf("open: %v", open)
	}
}

// Who does not want it pays nothing: neither keys, nor fields, nor calls.
func TestPayments_AreOffByDefault(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	stop := r.start()
	r.enqueue(2, nil)
	r.results(2)
	if r.workers[0].follower != nil {
		t.Error("there is a book")
	}
	stop()
	for _, key := range []string{r.keys.Open("default"), r.keys.Follower("default"), r.keys.Payments(), r.keys.Trimming(r.keys.Payments())} {
		if r.rdb.Exists(t.Context(), key).Val() != 0 {
			t.Errorf("%s exists", key)
		}
	}
	if f := r.rdb.HMGet(t.Context(), r.keys.Order("default:A0000"), "payment", "issued_as").Val(); f[0] != nil || f[1] != nil {
		t.Errorf("journal: %v", f)
	}
	if n := len(r.gateway.Calls()); n != 2 {
		t.Errorf("%d calls for two orders", n)
	}
}
