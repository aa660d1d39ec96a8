package e2e

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The sizes here are small; make chaos uses larger ones.
var (
	rollingOrders = flag.Int("rolling.orders", 240, "orders during the rolling restart")
	rollingRate   = flag.Int("rolling.rate", 30, "orders a second during the rolling restart")
	takeover      = flag.Bool("takeover.default", false, "kill the worker with 50 orders in flight and the default timeouts, and check the times")
)

// calmPlan is a run without faults and attacks; the test adds its own.
func calmPlan(orders int, latency string) plan {
	return plan{orders: orders, latency: latency, lost: "auto", seed: 1, late: time.Second, within: 3 * time.Minute}
}

// enqueueAll enqueues the orders of the plan as fast as possible.
func (c *chaos) enqueueAll() {
	c.t.Helper()
	c.orders = c.sample()
	producer := tasks.NewProducer(c.rdb, keys)
	for _, o := range c.orders {
		if _, err := producer.Enqueue(c.t.Context(), o); err != nil {
			c.t.Fatal(err)
		}
	}
}

// unanswered are the simulator's flags for creates whose answers arrive only after Late: their
// orders stay in flight.
func (p plan) unanswered() []string { return append(p.gatewayArgs(), "--fault=payment.answer_late=1") }

// inFlight waits until creates of n orders are in flight. Then it makes the gateway answer all
// further calls at once.
func (c *chaos) inFlight(n int) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("%d orders are in flight", n), patience, func() bool {
		return len(c.gateway.calls(c.t)) >= n
	})
	c.gateway.post(c.t, "faults", nil)
}

func (c *chaos) results() int64 { return c.rdb.XLen(c.t.Context(), keys.Results()).Val() }

// all waits until every order has its result.
func (c *chaos) all(within time.Duration) {
	c.t.Helper()
	eventually(c.t, "every order has its result", within, func() bool { return c.results() >= int64(c.plan.orders) })
}

// close ends the workers, and reports what the audit finds.
func (c *chaos) close() {
	c.t.Helper()
	c.settleDown()
	c.t.Log(c.summary())
	c.report(c.audit().violations())
}

// TestTakeover_StoppedWorkerDoesNoHarm stops a worker during its calls for twice its lease. Other
// workers take over its orders. When it continues, it receives answers to orders that it has
// lost.
func TestTakeover_StoppedWorkerDoesNoHarm(t *testing.T) {
	t.Parallel()
	p := calmPlan(40, "20ms-50ms")
	p.late = 3 * time.Second // so the answers arrive while it is stopped
	c := newChaos(t, p, p.unanswered())
	c.fleet = startFleet(t, 1, c.settings(), "failpoints/qfpay-worker", "run")
	c.enqueueAll()
	c.inFlight(p.orders)
	c.fleet.signal(0, syscall.SIGSTOP)
	stopped := time.Now()

	c.fleet.slots = append(c.fleet.slots, nil)
	c.fleet.start(1)
	c.all(time.Minute)
	<-time.After(time.Until(stopped.Add(2 * lease)))
	c.fleet.signal(0, syscall.SIGCONT)
	c.close()
}

// TestTakeover_OrdersOfAKilledWorkerAreInFlightAgain kills a worker with 50 orders in flight.
// With the default timeouts, which make chaos uses, they are in flight again within 15 s.
func TestTakeover_OrdersOfAKilledWorkerAreInFlightAgain(t *testing.T) {
	t.Parallel()
	p := calmPlan(50, "20ms-50ms")
	p.late = 20 * time.Second // longer than any worker waits
	c := newChaos(t, p, p.unanswered())
	// Longer than it takes to get all of them under way.
	c.fleet = startFleet(t, 1, append(c.settings(), "QFPAY_TIMEOUT=10s"), "failpoints/qfpay-worker", "run")
	c.enqueueAll()
	c.inFlight(p.orders)
	killed := time.Now()
	c.fleet.kill(0)
	c.all(2 * time.Minute)

	again := takenUp(c.gateway.calls(t), killed)
	t.Logf("%d orders in flight again after: %s", len(again), spans(again))
	if len(again) != p.orders {
		t.Errorf("%d orders were in flight again, want %d", len(again), p.orders)
	} else if p99 := again[len(again)*99/100]; *takeover && p99 > 15*time.Second {
		t.Errorf("the 99th percentile is %s, want at most 15s", p99)
	}
	c.close()
}

// takenUp returns how long after a moment each order had its next call, in ascending order.
func takenUp(calls []simulator.Call, since time.Time) []time.Duration {
	first := map[string]time.Duration{}
	for _, call := range calls {
		for number := range strings.SplitSeq(call.OutTradeNo, ",") { // a query may ask about several
			if _, seen := first[ordered(number)]; call.Time.After(since) && !seen {
				first[ordered(number)] = call.Time.Sub(since)
			}
		}
	}
	var all []time.Duration
	for _, d := range first {
		all = append(all, d)
	}
	slices.Sort(all)
	return all
}

// TestRollingRestart_CutsNoCallOff restarts one worker after another with SIGTERM while orders
// arrive. A call that is cut off would put its order in doubt, and so cause a query. There must
// be no query, and one create per order.
func TestRollingRestart_CutsNoCallOff(t *testing.T) {
	t.Parallel()
	p := calmPlan(*rollingOrders, "50ms-300ms")
	p.rate = *rollingRate
	c := newChaos(t, p, p.gatewayArgs())
	c.orders = p.sample()
	c.fleet = startFleet(t, 3, append(c.settings(), "QFPAY_TIMEOUT=10s", "WORKER_SHUTDOWN_TIMEOUT=25s"), "failpoints/qfpay-worker", "run")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	produced := make(chan error, 1)
	go func() { produced <- c.produce(ctx) }()
	restart := time.NewTicker(2 * time.Second)
	defer restart.Stop()
	restarts := 0
	for producing := true; producing; {
		select {
		case <-restart.C:
			c.fleet.restart(restarts % len(c.fleet.slots))
			restarts++
		case err := <-produced:
			if err != nil {
				t.Fatal(err)
			}
			producing = false
		}
	}
	c.all(time.Minute)
	t.Logf("%d restarts", restarts)
	c.close()
	calls := c.gateway.calls(t)
	if creates := countIf(calls, func(c simulator.Call) bool { return c.Endpoint == "payment" }); creates != p.orders || len(calls) != creates {
		t.Errorf("%d calls, %d of them creates; want one create for each of %d orders", len(calls), creates, p.orders)
	}
	if n := countIf(results(t, c.server), func(r tasks.Result) bool { return r.Outcome != string(tasks.Created) }); n > 0 {
		t.Errorf("%d orders were not created", n)
	}
}

// TestDeletedTasks_OrdersOutliveTheirTasks deletes all keys of asynq while orders are processed. A
// task is only a wake-up: the orders are in due, and each is dispatched when its first look comes.
func TestDeletedTasks_OrdersOutliveTheirTasks(t *testing.T) {
	t.Parallel()
	p := calmPlan(60, "200ms-300ms")
	c := newChaos(t, p, p.gatewayArgs())
	c.enqueueAll()
	c.fleet = startFleet(t, 2, append(c.settings(), "WORKER_CONCURRENCY=2"), "failpoints/qfpay-worker", "run")
	eventually(t, "the work has begun", patience, func() bool { return c.results() >= 5 })
	if n := c.queued(func(q *asynq.QueueInfo) int { return q.Pending }); n == 0 {
		t.Fatal("no task is left to be deleted; this machine was too busy for the test")
	}
	gone, err := c.rdb.Keys(t.Context(), "asynq:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.rdb.Del(t.Context(), gone...).Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of asynq's keys deleted, with %d results of %d", len(gone), c.results(), p.orders)
	// The time passes after which the bulk orders get their first look.
	all, err := c.rdb.ZRangeWithScores(t.Context(), keys.Due(), 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, z := range all {
		z.Score -= float64((30 * time.Second).Milliseconds())
		c.rdb.ZAddXX(t.Context(), keys.Due(), z)
	}
	c.all(time.Minute)
	c.close()
}
