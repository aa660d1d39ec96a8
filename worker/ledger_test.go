package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// manyFaults are all the ways a call can go wrong: together two calls in five do.
var manyFaults = simulator.Faults{
	"unreachable": .03, "drop": .03, "drop_after": .04, "reset": .02, "reset_after": .04,
	"land_late": .03, "answer_late": .03, "truncated": .02, "html_after": .02, "no_qrcode": .02,
	"wrong_echo": .02, "http_502": .02, "http_502_after": .02, "http_429": .02,
	"respcd_1298_live": .02, "respcd_1298_unsaid": .02, "respcd_1205_failed": .02,
	"respcd_1252": .01, "respcd_1100": .005, "slow_visibility": .02,
}

// Every order of every pay type is delivered three times at once, to two workers,
// while two calls in five go wrong. Each must end once, and the gateway's books and
// the result stream must tell the same.
func TestWorker_LosesAndDoublesNoOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Seed: seed, Faults: manyFaults, Late: time.Second,
				Latency: simulator.Latency{Max: 40 * time.Millisecond}})
			r.times = quickTimes()
			r.start()
			r.start()
			types := qfpay.PayTypes()
			orders := r.enqueue(140, func(i int, o *tasks.Order) {
				o.PayType = types[i%len(types)]
				o.Deadline = time.Now().Add(time.Hour)
			})
			again(t, r, orders)
			results := r.results(len(orders))
			r.agree(results)
			r.agree(results)
			if n := r.rdb.XLen(t.Context(), r.keys.Results()).Val(); n != int64(len(orders)) {
				t.Errorf("%d entries for %d orders", n, len(orders))
			}
			created := 0
			for _, res := range results {
				if res.Outcome == string(tasks.Created) {
					created++
				}
			}
			// Safety must not be bought with uselessness. What cannot be created after
			// a fault is what cannot be closed: four pay types of seven, at these rates.
			if created < len(orders)*2/3 {
				t.Errorf("only %d of %d orders were created", created, len(orders))
			}
		})
	}
}

// again delivers every order twice more, as asynq does after a crash or a cut.
func again(t *testing.T, r *rig, orders []tasks.Order) {
	for i, o := range orders {
		for n := range 2 {
			payload := r.rdb.HGet(t.Context(), r.keys.Order("default:"+o.OutTradeNo), "order").Val()
			_, err := asynq.NewClientFromRedisClient(r.rdb).Enqueue(asynq.NewTask(tasks.TypeCreate, []byte(payload)),
				asynq.Queue(r.keys.Queue(tasks.Lanes()[i%2])), asynq.TaskID(fmt.Sprintf("again:%d:%d", i, n)))
			ok(t, err)
		}
	}
}

// Without faults every order is created, with one call each.
func TestWorker_CreatesEveryOrderWithOneCallWithoutFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.start()
	results := r.results(len(r.enqueue(100, nil)))
	r.agree(results)
	for no, res := range results {
		if res.Outcome != string(tasks.Created) || res.IssuedAs != no || res.Attempts != "1" || res.RespCd != "0000" {
			t.Errorf("%s: %+v", no, res)
		}
	}
	if calls := len(r.gateway.Calls()); calls != len(results) {
		t.Errorf("%d calls for %d orders", calls, len(results))
	}
}

// fault has the first create of every order meet a fault, and the rest none.
func (r *rig) fault(f simulator.Fault) {
	met := map[string]bool{}
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		own, _, _ := strings.Cut(c.OutTradeNo, "_")
		if c.Endpoint != "payment" || met[own] {
			return ""
		}
		met[own] = true
		return f
	})
}

// One fault at the first create, and how the order must end.
func TestWorker_EndsWellAfterEveryFaultOfACreate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault   simulator.Fault
		payType qfpay.PayType
		mode    LostResponse
		outcome tasks.Outcome
		issued  string
	}{
		{"drop_after", qfpay.AlipayOverseas, Auto, tasks.Created, "A0000_2"}, // closed, and issued again
		{"drop_after", qfpay.WeChat, Auto, tasks.Created, "A0000_2"},         // by way of close
		{"drop_after", qfpay.FPS, Auto, tasks.Unresolved, "A0000"},           // FPS cannot be closed
		{"drop_after", qfpay.AlipayOverseas, LeaveIt, tasks.Unresolved, "A0000"},
		{"drop", qfpay.FPS, Auto, tasks.Created, "A0000"}, // not found twice: the same number again
		{"unreachable", qfpay.FPS, Auto, tasks.Created, "A0000"},
		{"http_429", qfpay.FPS, Auto, tasks.Created, "A0000"},
		{"land_late", qfpay.AlipayOverseas, Auto, tasks.Created, "A0000_2"}, // lands after the first query
		{"answer_late", qfpay.AlipayHK, Auto, tasks.Created, "A0000_2"},
		{"truncated", qfpay.AlipayHK, Auto, tasks.Created, "A0000_2"},
		{"no_qrcode", qfpay.AlipayHK, Auto, tasks.Created, "A0000_2"},
		{"wrong_echo", qfpay.AlipayHK, Auto, tasks.Created, "A0000_2"},
		{"respcd_1298_live", qfpay.AlipayHK, Auto, tasks.Created, "A0000_2"},
		{"respcd_1298_unsaid", qfpay.AlipayHK, Auto, tasks.Created, "A0000_2"},
		{"respcd_1298", qfpay.AlipayHK, Auto, tasks.Created, "A0000"}, // nothing was stored
		{"respcd_1205_failed", qfpay.AlipayHK, Auto, tasks.Created, "A0000_2"},
		{"respcd_1205_failed", qfpay.FPS, Auto, tasks.Rejected, "A0000"},
		{"respcd_1102", qfpay.AlipayHK, Auto, tasks.Created, "A0000"}, // "duplicate" is no failure
		{"respcd_1294", qfpay.AlipayHK, Auto, tasks.Rejected, "A0000"},
		{"respcd_1294_live", qfpay.AlipayHK, Auto, tasks.Created, "A0000_2"}, // a refusal that stored it all the same
		{"respcd_7777", qfpay.AlipayHK, Auto, tasks.Created, "A0000"},        // a code nobody knows
		{"slow_visibility", qfpay.AlipayHK, Auto, tasks.Created, "A0000"},    // its answer arrives
	} {
		t.Run(fmt.Sprintf("%s %s %s", c.fault, c.payType.Wallet(), c.mode), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Late: time.Second})
			r.config.LostResponse = c.mode
			if strings.HasSuffix(string(c.fault), "_late") {
				r.times = quickTimes()
			}
			r.fault(c.fault)
			r.start()
			r.enqueue(1, func(_ int, o *tasks.Order) { o.PayType = c.payType })
			results := r.results(1)
			r.agree(results)
			if got := results["A0000"]; got.Outcome != string(c.outcome) || got.IssuedAs != c.issued {
				t.Errorf("%s as %s (%s), want %s as %s\n%s", got.Outcome, got.IssuedAs, got.Reason, c.outcome, c.issued, r.log)
			}
		})
	}
}

// A producer uses the very number under which another order is, or would be, issued
// again. Neither order may cost the other its QR code.
func TestReissue_NeverMeetsAProducersNumber(t *testing.T) {
	t.Parallel()
	t.Run("the reissue is first", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, simulator.Config{})
		r.fault("drop_after")
		r.start()
		r.enqueue(1, nil)
		results := r.results(1)
		if got := results["A0000"]; got.IssuedAs != "A0000_2" {
			t.Fatalf("issued as %s", got.IssuedAs)
		}
		client := asynq.NewClientFromRedisClient(r.rdb) // a producer that does not ask the journal
		_, err := client.Enqueue(asynq.NewTask(tasks.TypeCreate, []byte(
			`{"out_trade_no":"A0000_2","pay_type":"800101","txamt":2500,"txcurrcd":"HKD"}`)), asynq.Queue(r.keys.Queue(tasks.Bulk)))
		ok(t, err)
		r.rejected(1)
		r.agree(results)
	})
	t.Run("the producer is first", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, simulator.Config{})
		r.fault("drop_after")
		o := anOrder("A0000_2")
		_, err := r.producer().Enqueue(t.Context(), o)
		ok(t, err)
		r.enqueue(1, nil)
		r.start()
		results := r.results(2)
		for no, res := range results {
			if res.Outcome != string(tasks.Created) {
				t.Errorf("%s: %s (%s)", no, res.Outcome, res.Reason)
			}
		}
		if a, b := results["A0000"].IssuedAs, results["A0000_2"].IssuedAs; a == b {
			t.Errorf("both are issued as %s", a)
		}
		live := map[string]bool{}
		for _, o := range r.gateway.Orders() {
			live[o.OutTradeNo] = live[o.OutTradeNo] || o.OrderType == "payment" && o.Live()
		}
		for no, res := range results {
			if !live[res.IssuedAs] {
				t.Errorf("%s: published as %s, which is not live", no, res.IssuedAs)
			}
		}
	})
}

// With numbers that are not trusted to be unique, no order is ever sent twice.
func TestWorker_SendsNothingTwiceWithoutTrustInUniqueNumbers(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Duplicate: simulator.DuplicateNone, Late: time.Second,
		Faults: simulator.Faults{"payment.drop": .2, "payment.drop_after": .2, "payment.land_late": .2}})
	r.config.UniqueNumbers = false
	r.times = quickTimes()
	r.start()
	results := r.results(len(r.enqueue(40, nil)))
	r.agree(results)
	creates := map[string]int{}
	for _, c := range r.gateway.Calls() {
		if c.Endpoint == "payment" {
			creates[c.OutTradeNo]++
		}
	}
	for no, n := range creates {
		if n > 1 {
			t.Errorf("%s was sent %d times", no, n)
		}
	}
}

// An order is paid by somebody though its QR code never reached us: a person must
// look, and nothing is closed, since that might refund it.
func TestClose_NeverMeetsAPaidOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Late: time.Second})
	r.times = quickTimes()
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		if c.Endpoint == "query" {
			return ""
		}
		return "answer_late"
	})
	r.enqueue(1, nil)
	stop := r.start()
	defer stop()
	paid := make(chan struct{})
	go func() {
		defer close(paid)
		for r.gateway.Pay("A0000") != nil {
			time.Sleep(time.Millisecond) // until the create has landed
		}
	}()
	<-paid
	got := r.results(1)["A0000"]
	if got.Outcome != string(tasks.Unresolved) || got.Reason != policy.ReasonPaid {
		t.Errorf("%s: %s", got.Outcome, got.Reason)
	}
	for _, c := range r.gateway.Calls() {
		if c.Endpoint == "close" || c.Endpoint == "reversal" {
			t.Errorf("a paid order met %s", c.Endpoint)
		}
	}
}

func TestWorker_ExpiresAnOrderWhoseDeadlinePassesInTheQueue(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.enqueue(1, func(_ int, o *tasks.Order) { o.Deadline = time.Now().Add(-time.Second) })
	r.start()
	if got := r.results(1)["A0000"]; got.Outcome != string(tasks.Expired) {
		t.Errorf("%s: %s", got.Outcome, got.Reason)
	}
	if n := len(r.gateway.Calls()); n != 0 {
		t.Errorf("%d calls for an order that is too late", n)
	}
}

// A producer that knows asynq and nothing else gets the same guarantees.
func TestWorker_GivesAPlainAsynqProducerOneResult(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.start()
	client := asynq.NewClientFromRedisClient(r.rdb)
	for range 3 { // no task ID, so asynq takes them all
		_, err := client.Enqueue(asynq.NewTask(tasks.TypeCreate, []byte(
			`{"out_trade_no":"P1","pay_type":"800101","txamt":100,"txcurrcd":"HKD"}`)), asynq.Queue(r.keys.Queue(tasks.Bulk)))
		ok(t, err)
	}
	results := r.results(1)
	r.agree(results)
	if got := results["P1"]; got.Outcome != string(tasks.Created) || got.Merchant != "default" || got.TxDtm == "" {
		t.Errorf("%+v", got)
	}
}

// What is wrong with a task that a plain producer enqueued is said where it can be
// seen, and nothing loops.
func TestHandler_AnswersBadTasksAndKeepsNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.start()
	client := asynq.NewClientFromRedisClient(r.rdb)
	for _, payload := range []string{
		`nonsense`,
		`{"pay_type":"800101"}`, // no number: nobody could tell whose result it is
		`{"out_trade_no":"B1","pay_type":"800101","txamt":0,"txcurrcd":"HKD"}`,
		`{"out_trade_no":"B2","pay_type":"800101","txamt":"much","txcurrcd":"HKD"}`,
		`{"out_trade_no":"B3","pay_type":"800101","txamt":100,"txcurrcd":"HKD"}`,
	} {
		_, err := client.Enqueue(asynq.NewTask(tasks.TypeCreate, []byte(payload)), asynq.Queue(r.keys.Queue(tasks.Bulk)))
		ok(t, err)
	}
	results := r.results(3)
	_, err := client.Enqueue(asynq.NewTask(tasks.TypeCreate, []byte( // the number of B3 with other content
		`{"out_trade_no":"B3","pay_type":"800101","txamt":999,"txcurrcd":"HKD"}`)), asynq.Queue(r.keys.Queue(tasks.Bulk)))
	ok(t, err)
	for _, no := range []string{"B1", "B2"} {
		if got := results[no]; got.Outcome != string(tasks.Rejected) || got.RespCd != "" || got.Reason == "" || got.ID != "default:"+no {
			t.Errorf("%s: %+v", no, got)
		}
	}
	r.rejected(2)
	if got := results["B3"]; got.Outcome != string(tasks.Created) {
		t.Errorf("B3: %+v", got)
	}
	inspector := asynq.NewInspectorFromRedisClient(r.rdb)
	info, err := inspector.GetQueueInfo(r.keys.Queue(tasks.Bulk))
	ok(t, err)
	if info.Archived != 0 || info.Retry != 0 {
		t.Errorf("archived %d, to be retried %d", info.Archived, info.Retry)
	}
}

// rejected waits until at least n tasks were refused, each with its reason.
func (r *rig) rejected(n int) {
	r.t.Helper()
	for last, got := "0", 0; got < n; {
		read, err := r.rdb.XRead(r.t.Context(), &redis.XReadArgs{Streams: []string{r.keys.Rejected(), last}, Block: 20 * time.Second}).Result()
		if err != nil {
			r.t.Fatalf("%d refusals of %d: %v", got, n, err)
		}
		for _, m := range read[0].Messages {
			got++
			last = m.ID
			if m.Values["reason"] == "" {
				r.t.Errorf("refused without a reason: %v", m.Values)
			}
		}
	}
}
