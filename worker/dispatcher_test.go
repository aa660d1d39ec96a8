package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
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

// A merchant that has its share of one lane in flight goes on in the other one: orders that are due, and
// those of its wait queues.
func TestMerchants_AFullShareOfALaneHoldsUpNoneOfTheOther(t *testing.T) {
	t.Parallel()
	for i, full := range tasks.Lanes() {
		other := tasks.Lanes()[1-i]
		r := newRig(t, simulator.Config{Merchants: simulator.SampleAccounts(2)})
		second := r.config.Merchants[0]
		second.Name, second.AppCode = "second", simulator.SampleAccounts(2)[1].AppCode
		r.config.Merchants[0].PerMinute = 400
		r.config.Merchants = append(r.config.Merchants, second)
		r.config.Queue, r.config.Blocking = r.server.Client(t), r.server.Client(t)
		w, err := New(r.config)
		ok(t, err)
		set := w.handler.Merchants.Load()
		m := set.ByName["default"]
		m.InFlight[full].Store(set.PerMerchantLimit)
		round := func() {
			_, err := w.dispatcher.round(t.Context(), journal.Room{tasks.Interactive: 0, tasks.Bulk: 0})
			ok(t, err)
			w.dispatcher.working.Wait()
		}

		r.dueNow(1, "A", other)
		round()
		for _, d := range seen[event.Deferred](r.events) {
			if d.Reason == event.DeferMerchantLimit {
				t.Errorf("%s is full: an order of %s that is due has to wait", full, other)
			}
		}

		queue := m.Limiter.Queue(ratelimit.ClassOf(other), other)
		queued := redis.Z{Score: float64(time.Now().Add(time.Hour).UnixMilli()), Member: "default:B"}
		ok(t, r.rdb.ZAdd(t.Context(), r.keys.Due(), queued).Err())
		ok(t, r.rdb.ZAdd(t.Context(), queue.Key, queued).Err())
		ok(t, r.rdb.ZAdd(t.Context(), r.keys.Waiting(), redis.Z{Score: 1, Member: queue.AppCode}).Err())
		round()
		if r.rdb.ZScore(t.Context(), queue.Key, "default:B").Err() != redis.Nil {
			t.Errorf("%s is full: an order in the wait queue of %s is not dispatched", full, other)
		}
		w.Close()
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
