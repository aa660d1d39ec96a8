package worker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// The calls under way when a worker is told to stop are answered, and their results
// published, before it ends.
func TestWorker_FinishesTheOrdersInFlightOnShutdown(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Latency: simulator.Latency{Min: 200 * time.Millisecond, Max: 200 * time.Millisecond}})
	stop := r.start()
	r.enqueue(8, nil)
	for len(r.gateway.Calls()) < 8 {
		time.Sleep(time.Millisecond) // until all are under way
	}
	stop()
	if n := r.rdb.XLen(t.Context(), r.keys.Results()).Val(); n != 8 {
		t.Errorf("%d results when the worker had ended, want 8", n)
	}
	for _, c := range r.gateway.Calls() {
		if c.RespCd != "0000" {
			t.Errorf("a call was cut off: %+v", c)
		}
	}
}

// A worker that waits for orders ends although its Redis does not answer any more: nothing
// it waits for comes, and nobody answers its last words.
func TestWorker_StopsWhileRedisIsFrozen(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	patient := func() *redis.Client { // that waits for ever
		rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: r.server.Socket, ReadTimeout: -1})
		t.Cleanup(func() { rdb.Close() })
		return rdb
	}
	r.config.Redis, r.config.Queue, r.config.Blocking = patient(), patient(), patient()
	w, err := New(r.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	for !strings.Contains(r.rdb.Info(t.Context(), "clients").Val(), "blocked_clients:3") {
		time.Sleep(time.Millisecond) // until both lanes and the intake wait
	}
	r.server.Freeze()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	r.server.Thaw()
	w.Close()
	if !strings.Contains(r.log.String(), "leaving before Redis has answered") {
		t.Errorf("a worker that leaves without a word must say so:\n%s", r.log.tail(10))
	}
}

// A wrong key holds the merchant: its orders wait, hardly anything is sent, and the
// other merchant's orders go on.
func TestBreaker_StopsOnlyTheMerchantWithAWrongKey(t *testing.T) {
	t.Parallel()
	accounts := simulator.SampleAccounts(2)
	r := newRig(t, simulator.Config{Merchants: accounts})
	r.config.Merchants = []Merchant{
		{Merchant: qfpay.Merchant{Name: "good", BaseURL: "http://gateway", AppCode: accounts[0].AppCode, Key: accounts[0].Key}},
		{Merchant: qfpay.Merchant{Name: "bad", BaseURL: "http://gateway", AppCode: accounts[1].AppCode, Key: "canary-7f3a"}},
	}
	r.start()
	orders := r.enqueue(60, func(i int, o *tasks.Order) {
		if o.Merchant = "good"; i%2 == 1 {
			o.Merchant = "bad"
		}
	})
	results := r.results(len(orders) / 2)
	for no, res := range results {
		if res.Merchant != "good" || res.Outcome != string(tasks.Created) {
			t.Errorf("%s: %+v", no, res)
		}
	}
	calls := 0
	for _, c := range r.gateway.Calls() {
		if c.AppCode == accounts[1].AppCode {
			calls++
		}
	}
	if concurrency := r.config.Concurrency; calls == 0 || calls > concurrency {
		t.Errorf("%d calls with a refused key, want 1 to %d", calls, concurrency)
	}
	if n := r.rdb.ZCard(t.Context(), r.keys.Due()).Val(); n != 30 {
		t.Errorf("%d orders wait, want 30", n)
	}
	if held := seen[event.Held](r.events); len(held) != 1 || held[0] != (event.Held{Merchant: "bad", Reason: "1108", Held: true}) {
		t.Errorf("observed %+v", held)
	}
	if log := r.log.String(); !strings.Contains(log, "1108") || !strings.Contains(log, "client key") || strings.Contains(log, "canary") {
		t.Errorf("the log must name the code and what to do, and never the key:\n%s", r.log.tail(10))
	}
}

// A pay type that is not enabled waits; the merchant's other orders do not.
func TestBreaker_StopsOnlyThePayTypeThatIsNotEnabled(t *testing.T) {
	t.Parallel()
	account := simulator.SampleAccounts(1)[0]
	account.PayTypes = []qfpay.PayType{qfpay.AlipayHK}
	r := newRig(t, simulator.Config{Merchants: []simulator.Account{account}})
	r.start()
	r.enqueue(1, func(_ int, o *tasks.Order) { o.OutTradeNo, o.PayType = "FIRST", qfpay.AlipayHK })
	r.results(1)
	r.enqueue(40, func(i int, o *tasks.Order) {
		if o.PayType = qfpay.AlipayHK; i%2 == 1 {
			o.PayType = qfpay.FPS
		}
	})
	for no, res := range r.results(21) {
		if res.PayType != string(qfpay.AlipayHK) || res.Outcome != string(tasks.Created) {
			t.Errorf("%s: %+v", no, res)
		}
	}
	r.eventually("the others wait", func() bool { return r.deferred(event.DeferHeld) >= 20 })
	if held := seen[event.Held](r.events); len(held) != 1 || held[0] != (event.Held{Merchant: "default", PayType: qfpay.FPS, Reason: "1104", Held: true}) {
		t.Errorf("observed %+v", held)
	}
	for _, want := range []string{"pay_type=802001", "out_trade_no=A", "respcd=1104", "filter error", "QFPay refuses this order", "one pay type"} {
		if log := r.log.String(); !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, r.log.tail(10))
		}
	}
}

func TestMerchants_AnOrderOfAnUnknownOneWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.start()
	r.enqueue(2, func(i int, o *tasks.Order) {
		if o.Merchant = "nobody"; i == 1 {
			o.Deadline = time.Now().Add(-time.Minute)
		}
	})
	if got := r.results(1)["A0001"]; got.Outcome != string(tasks.Expired) {
		t.Errorf("past its deadline: %+v", got)
	}
	if n := r.rdb.ZCard(t.Context(), r.keys.Due()).Val(); n != 1 {
		t.Errorf("%d orders wait, want 1", n)
	}
}

// The gateway's 429 pauses the app_code and fails no order, nor does it leave one in
// doubt: QFPay does not process what it answers with 429.
func TestLimiter_FailsNoOrderForTooManyRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{PerSecond: 10, PerMinute: simulator.NoLimit})
	r.config.Merchants[0].PerSecond = 50 // more than the gateway allows
	r.start()
	results := r.results(len(r.enqueue(40, nil)))
	r.agree(results)
	if r.gateway.Throttled(simulator.SampleAppCode) == 0 {
		t.Error("the gateway refused nothing: this test tests nothing")
	}
	for _, c := range r.gateway.Calls() {
		if c.Endpoint != "payment" {
			t.Fatalf("an order was in doubt after a 429: %+v", c)
		}
	}
	for no, res := range results {
		if res.Outcome != string(tasks.Created) {
			t.Errorf("%s: %+v", no, res)
		}
	}
}

// An order whose turn would come after its deadline expires at its deadline.
func TestWaitQueue_LetsAnOrderExpireInTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.config.Merchants[0].PerMinute = 1
	r.start()
	r.enqueue(1, nil)
	r.results(1)
	r.enqueue(1, func(_ int, o *tasks.Order) { o.OutTradeNo, o.Deadline = "LATE", time.Now().Add(3*time.Second) })
	results := r.results(2) // waits for less than the minute that a second place takes
	r.agree(results)
	if a, b := results["A0000"].Outcome, results["LATE"].Outcome; a != string(tasks.Created) || b != string(tasks.Expired) {
		t.Errorf("outcomes %s and %s", a, b)
	}
}

// What a worker observes is what happened.
func TestWorker_ReportsEventsThatAddUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	stop := r.start()
	r.results(len(r.enqueue(20, func(i int, o *tasks.Order) { o.Lane = tasks.Lanes()[i%2] })))
	stop()
	if n := len(seen[event.Settled](r.events)); n != 20 {
		t.Errorf("%d orders settled", n)
	}
	if n := len(seen[event.Called](r.events)); n != 20 {
		t.Errorf("%d calls", n)
	}
	if n := len(seen[event.Started](r.events)); n != 20 {
		t.Errorf("%d orders started", n)
	}
	in := 0
	for _, e := range seen[event.InFlight](r.events) {
		in += e.Delta
	}
	if in != 0 {
		t.Errorf("%d orders are still in flight", in)
	}
}

func TestWorker_NewSaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := New(Config{})
	if err == nil {
		t.Fatal("an empty configuration was taken")
	}
	for _, field := range []string{"Redis", "Queue", "Keys.Prefix", "Merchants", "CallTimeout", "Concurrency", "ShutdownTimeout", "LostResponse"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
}
