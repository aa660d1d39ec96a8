package worker

import (
	"math"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Pitfalls of asynq that no other test speaks of; docs/asynq-pitfalls.md lists all.

// asynq knows whole seconds only and cuts the rest off: a retry meant for half a
// second comes at once. And its own first retry comes after 15 to 44 s.
func TestAsynq_RetriesAfterWholeSecondsAndSoon(t *testing.T) {
	t.Parallel()
	for range 1000 {
		d := retryDelay(7, nil, nil)
		if d%time.Second != 0 || d < time.Second || d > 5*time.Second {
			t.Fatalf("retried after %s", d)
		}
	}
}

// One merchant with a backlog far above its limit does not hold up another whose
// order comes later, in the same queue of the same worker.
func TestMerchants_ABacklogOfOneDelaysNoOther(t *testing.T) {
	t.Parallel()
	accounts := simulator.SampleAccounts(2)
	r := newRig(t, simulator.Config{Merchants: accounts})
	r.config.Concurrency = 4
	for i, name := range []string{"slow", "other"} {
		m := Merchant{Merchant: qfpay.Merchant{Name: name, BaseURL: "http://gateway", AppCode: accounts[i].AppCode, Key: accounts[i].Key}}
		if i == 0 {
			r.config.Merchants, m.PerSecond, m.PerMinute = nil, 2, 20
		}
		r.config.Merchants = append(r.config.Merchants, m)
	}
	r.enqueue(60, func(_ int, o *tasks.Order) { o.Merchant = "slow" }) // three minutes' worth
	r.start()
	r.eventually("the backlog is being worked on", func() bool { return r.published() > 2 })
	o := anOrder("OTHER")
	o.Merchant = "other"
	_, err := r.producer().Enqueue(t.Context(), o)
	ok(t, err)
	r.eventually("the other merchant's order is settled", func() bool {
		return r.rdb.HGet(t.Context(), r.keys.Order("other:OTHER"), "state").Val() == "DONE"
	})
	if n := r.published(); n > 30 {
		t.Errorf("only after %d results of the backlog", n-1)
	}
}

// Somebody cancels the tasks of orders under way with asynq's tools. asynq runs them
// again; each order has one result all the same.
func TestAsynq_ACancelledTaskIsNoSecondOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Latency: simulator.Latency{Min: time.Second, Max: time.Second}})
	r.times = steadyTimes()
	midway := r.arrive(8)
	r.start()
	orders := r.enqueue(8, nil)
	<-midway
	inspector := asynq.NewInspectorFromRedisClient(r.rdb)
	for _, o := range orders {
		ok(t, inspector.CancelProcessing("default:"+o.OutTradeNo))
	}
	results := r.results(len(orders))
	r.agree(results)
	r.onceEach(results)
	if len(r.gateway.Calls()) == len(orders) {
		t.Error("no call was cut off: this test tests nothing")
	}
}

// A producer that knows asynq alone may set what leads astray: no retries, which
// archives a task at its first failure; a timeout that rounds down to none; a lock
// that outlives its task. With a call longer than the timeout, the order ends all the
// same, once.
func TestAsynq_OptionsOfAPlainProducerLoseNoOrder(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]asynq.Option{
		"no retries":          {asynq.MaxRetry(0)},
		"half a second":       {asynq.MaxRetry(math.MaxInt32), asynq.Timeout(500 * time.Millisecond)},
		"one second":          {asynq.MaxRetry(math.MaxInt32), asynq.Timeout(time.Second)},
		"a lock":              {asynq.MaxRetry(math.MaxInt32), asynq.Unique(time.Hour)},
		"a task ID and a day": {asynq.MaxRetry(math.MaxInt32), asynq.TaskID("mine"), asynq.Retention(24 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Latency: simulator.Latency{Min: 1500 * time.Millisecond, Max: 1500 * time.Millisecond}})
			r.times = steadyTimes()
			client := asynq.NewClientFromRedisClient(r.rdb)
			payload := `{"out_trade_no":"P1","pay_type":"800101","txamt":100,"txcurrcd":"HKD"}`
			_, err := client.EnqueueContext(t.Context(), asynq.NewTask(tasks.TypeCreate, []byte(payload)),
				append(options, asynq.Queue(r.keys.Queue(tasks.Bulk)))...)
			ok(t, err)
			r.start()
			results := r.results(1)
			r.agree(results)
			r.onceEach(results)
		})
	}
}
