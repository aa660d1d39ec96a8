package worker

import (
	"slices"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// withoutAsynq makes a user who may use all keys but those of asynq.
func (r *rig) withoutAsynq(user string) {
	r.t.Helper()
	r.server.Do(r.t, "acl", "setuser", user, "on", ">secret", "resetkeys", "~"+r.keys.Prefix+":*", "&*", "+@all")
}

// enqueueIn enqueues three orders of each lane with a client of the rig's user, in bulk and one by one.
func (r *rig) enqueueIn() (n int) {
	r.t.Helper()
	p := tasks.NewProducer(r.client(), r.keys)
	var orders []tasks.Order
	for _, lane := range tasks.Lanes() {
		for _, number := range []string{"1", "2", "3"} {
			o := anOrder(string(lane) + number)
			o.Lane = lane
			orders = append(orders, o)
		}
	}
	_, err := p.EnqueueAll(r.t.Context(), orders[1:])
	ok(r.t, err)
	_, err = p.Enqueue(r.t.Context(), orders[0])
	ok(r.t, err)
	return len(orders)
}

// resultsWithin waits for n results, and fails when they took longer than that.
func (r *rig) resultsWithin(n int, most time.Duration) {
	r.t.Helper()
	began := time.Now()
	results := r.results(n)
	if took := time.Since(began); took > most {
		r.t.Errorf("results after %s, want %s", took, most)
	}
	r.agree(results)
	r.onceEach(results)
}

// A producer that cannot reach asynq's queue wakes no worker. The orders do without: their wake-ups do
// not count.
func TestWakeUp_AFailedOneDelaysNoResult(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, redistest.Start(t))
	r.start()
	r.user = "producer"
	r.withoutAsynq(r.user)
	n := r.enqueueIn()
	if queued := r.rdb.Keys(t.Context(), "asynq:*:t:*").Val(); len(queued) > 0 {
		t.Errorf("%v: this test tests nothing", queued)
	}
	r.resultsWithin(n, 5*time.Second)
}

// Workers that could not read asynq's queue for a while have all results soon after they can.
func TestWakeUp_AQueueThatWasOutOfReachDelaysNoResult(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, redistest.Start(t))
	r.user = "app"
	r.withoutAsynq(r.user)
	r.start()
	r.user = "producer"
	r.server.Do(t, "acl", "setuser", r.user, "on", ">secret", "~*", "&*", "+@all")
	n := r.enqueueIn()
	r.request(requestOf(anOrder("S1"))...) // this worker's own intake cannot wake anybody either
	r.eventually("interactive orders, and the one that was taken in, do without asynq", func() bool { return r.published() == n/2+1 })
	r.eventually("the failed wake-up is counted", func() bool {
		return slices.Contains(seen[event.RedisFailed](r.events), event.RedisFailed{Op: "wake"})
	})
	r.server.Do(t, "acl", "setuser", "app", "allkeys")
	r.resultsWithin(n+1, 5*time.Second)
}
