package worker

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// An order that QFPay does not know is sent again under its number, upon a query that has
// found nothing. Queued for that create it would begin with the query each time it is
// dispatched, find others queued, and be the first of them again: one such order would have
// all of the quota for its queries.
func TestAttempt_DoesNotQueryForEverBeforeItSendsAgain(t *testing.T) {
	t.Parallel()
	const doubtfulOrders, others = 3, 100
	r := newRig(t, simulator.Config{})
	faults, err := simulator.ParseFaults("payment.respcd_1142=1")
	ok(t, err)
	ok(t, r.gateway.SetFaults(faults))
	stop := r.start()
	r.enqueue(doubtfulOrders, func(i int, o *tasks.Order) { o.Lane = tasks.Interactive })
	for end := time.Now().Add(time.Minute); len(r.gateway.Calls()) < 2*doubtfulOrders; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no creates")
		}
	}
	stop()
	ok(t, r.gateway.SetFaults(simulator.Faults{}))
	before := len(r.gateway.Calls())
	r.config.Merchants[0].PerMinute = 10
	r.windows = [2]time.Duration{time.Second, time.Second}
	r.start()
	r.enqueue(others, func(i int, o *tasks.Order) { o.OutTradeNo, o.Lane = fmt.Sprintf("B%04d", i), tasks.Interactive })
	r.results(doubtfulOrders + others)
	if calls := len(r.gateway.Calls()) - before; calls > others+8*doubtfulOrders {
		t.Errorf("%d calls for %d orders, %d of which were in doubt", calls, doubtfulOrders+others, doubtfulOrders)
	}
}

// A gateway so slow that no query leaves time for the close that follows on it: the order is
// kept in flight, and comes to its end all the same.
func TestAttempt_EndsDoubtThoughTheGatewayIsSlow(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Latency: simulator.Latency{Min: 300 * time.Millisecond, Max: 300 * time.Millisecond}})
	r.times.Call, r.times.Attempt = 2*time.Second, 2200*time.Millisecond
	r.times.Lease = 3 * time.Second
	stop := r.start()
	r.enqueue(3, nil)
	r.results(3)
	stop()
	ok(t, r.rdb.FlushAll(t.Context()).Err()) // to the gateway they are duplicates now
	r.start()
	r.enqueue(3, nil)
	results := r.results(3)
	r.agree(results)
	for no, res := range results {
		if res.Outcome != string(tasks.Created) {
			t.Errorf("%s: %s", no, res.Outcome)
		}
	}
}

// An attempt that lost its order for a while goes on with nothing that it knew: others may
// have sent it again, or closed it.
func TestJournal_DoesNotRenewALostLease(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	one := f.take("one")
	for range 2 {
		ok(t, f.Renew(t.Context(), one))
	}
	f.lapse()
	ok(t, f.Renew(t.Context(), one)) // nobody else has had it
	f.lapse()
	two := f.take("two")
	if err := f.Renew(t.Context(), one); !errors.Is(err, journal.ErrLost) {
		t.Errorf("while another has it: %v", err)
	}
	ok(t, f.Release(t.Context(), two, 0, false, event.DeferDoubt, nil))
	if err := f.Renew(t.Context(), one); !errors.Is(err, journal.ErrLost) {
		t.Errorf("after another had it: %v", err)
	}
}
