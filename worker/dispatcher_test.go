package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// dueNow accepts n orders of a lane that have no task and are due.
func (r *rig) dueNow(n int, prefix string, lane tasks.Lane) (numbers []string) {
	r.t.Helper()
	for i := range n {
		o := anOrder(fmt.Sprint(prefix, i))
		o.Lane = lane
		o = o.WithDefaults(time.Now())
		_, err := r.producer().Accept(r.t.Context(), o)
		ok(r.t, err)
		ok(r.t, r.rdb.ZAdd(r.t.Context(), r.keys.Due(), redis.Z{Score: float64(i + 1), Member: o.ID()}).Err())
		numbers = append(numbers, o.OutTradeNo)
	}
	return numbers
}

// mostInFlight is how many orders of each lane were in flight at once.
func (r *rig) mostInFlight() map[tasks.Lane]int {
	now, most := map[tasks.Lane]int{}, map[tasks.Lane]int{}
	for _, e := range seen[event.InFlight](r.events) {
		now[e.Lane] += e.Delta
		most[e.Lane] = max(most[e.Lane], now[e.Lane])
	}
	return most
}

// Asynq's handler and the dispatcher share the room of a lane, and no lane takes another's.
func TestDispatcher_SharesTheRoomOfALaneWithAsynq(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Latency: simulator.Latency{Min: 20 * time.Millisecond, Max: 20 * time.Millisecond}})
	r.config.Concurrency = 3
	n := len(r.enqueue(40, func(i int, o *tasks.Order) { o.Lane = tasks.Lanes()[i%2] }))
	for _, lane := range tasks.Lanes() {
		n += len(r.dueNow(20, string(lane), lane))
	}
	r.start()
	r.agree(r.results(n))
	for lane, most := range r.mostInFlight() {
		if most != r.config.Concurrency {
			t.Errorf("%s: %d orders were in flight at once, want %d", lane, most, r.config.Concurrency)
		}
	}
}

// However long asynq's queue is, orders that are due get their turn; and however many are due, so
// do those of asynq's queue.
func TestDispatcher_TakesTurnsWithAFullQueue(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Latency: simulator.Latency{Min: 20 * time.Millisecond, Max: 20 * time.Millisecond}})
	r.config.Concurrency = 4
	queued := r.enqueue(200, nil) // a second's work
	due := r.dueNow(20, "DUE", tasks.Bulk)
	r.start()
	r.agree(r.results(len(queued) + len(due)))
	settled := map[string]int{} // after how many others
	entries, err := r.rdb.XRange(t.Context(), r.keys.Results(), "-", "+").Result()
	ok(t, err)
	for i, e := range entries {
		settled[e.Values["out_trade_no"].(string)] = i
	}
	for _, number := range due {
		if after := settled[number]; after > 150 {
			t.Errorf("%s had to wait for %d others", number, after)
		}
	}
	if after := settled[queued[9].OutTradeNo]; after > 50 {
		t.Errorf("the first orders of the queue had to wait for %d others", after)
	}
}
