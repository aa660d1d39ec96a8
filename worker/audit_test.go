package worker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/audit"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/payments"
)

// violations audits and returns what was found.
func violations(t *testing.T, rdb redis.UniversalClient, keys tasks.Keys) (audit.Report, map[string]string) {
	t.Helper()
	found := map[string]string{}
	counts, err := audit.Run(t.Context(), rdb, keys, func(v audit.Violation) { found[v.ID] = v.Problem })
	ok(t, err)
	return counts, found
}

func TestAudit_FindsWhatSomebodyBroke(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	stop := r.start()
	r.results(len(r.enqueue(250, nil))) // more than one batch
	stop()
	ctx := t.Context()
	_, err := r.producer().Accept(ctx, anOrder("W1").WithDefaults(time.Now()))
	ok(t, err)
	counts, found := violations(t, r.rdb, r.keys)
	if d := cmp.Diff(audit.Report{Orders: 251, Waiting: 1, Settled: 250, Results: 250}, counts); d != "" || len(found) != 0 {
		t.Fatalf("before anything was broken: %v\n%s", found, d)
	}

	entry := func(id string) string { return r.rdb.HGet(ctx, r.keys.Order(id), "entry").Val() }
	second := r.rdb.XRangeN(ctx, r.keys.Results(), "("+entry("default:A0000"), "+", 1).Val()[0]
	twice, err := r.rdb.XAdd(ctx, &redis.XAddArgs{Stream: r.keys.Results(), Values: second.Values}).Result()
	ok(t, err)
	owner := second.Values["id"].(string)
	stray, err := r.rdb.XAdd(ctx, &redis.XAddArgs{Stream: r.keys.Results(), Values: []any{"a", "b"}}).Result()
	ok(t, err)
	gone := entry("default:A0100")
	ok(t, r.rdb.XDel(ctx, r.keys.Results(), gone).Err())
	ok(t, r.rdb.ZRem(ctx, r.keys.Due(), "default:W1").Err())
	ok(t, r.rdb.ZAdd(ctx, r.keys.Due(), redis.Z{Score: 1, Member: "default:A0200"}, redis.Z{Score: 1, Member: "default:ghost"}).Err())
	counts, found = violations(t, r.rdb, r.keys)
	want := map[string]string{
		owner:            fmt.Sprintf("has two results in the stream: %s, which it knows, and %s", entry(owner), twice),
		"entry " + stray: fmt.Sprintf("entry %s is not a result: the field v is missing", stray),
		"default:A0100":  "its result, entry " + gone + ", is missing from the stream though older ones are there",
		"default:W1":     "has no result (NEW) and is not in due: no worker will find it",
		"default:A0200":  "has its result, and is in due all the same",
		"default:ghost":  "is in due, but its journal is gone: was a key deleted or evicted?",
	}
	if d := cmp.Diff(want, found); d != "" || counts.Violations != len(want) {
		t.Errorf("%d violations\n%s", counts.Violations, d)
	}
}

// Each published code has one final event, which its journal knows, or is followed.
func TestAudit_FindsWhatSomebodyBrokeOfPayments(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.config.Payments = true
	stop := r.start()
	r.results(len(r.enqueue(220, nil))) // more than one batch
	stop()
	ctx := t.Context()
	book := &payments.Book{Redis: r.rdb, Keys: r.keys, Observer: r.config.Observer, Logger: r.config.Logger}
	notified := func(number string, kind qfpay.NotifyType) {
		t.Helper()
		o := r.gateway.Orders()[0]
		n := qfpay.Notification{Type: kind, OutTradeNo: number, OrigOutTradeNo: number, Syssn: "S" + number, TxAmt: o.TxAmt, TxCurrCd: o.TxCurrCd}
		if result, err := book.Notified(ctx, "default", n); err != nil || result != payments.Recorded {
			t.Fatalf("%s: %s, %v", number, result, err)
		}
	}
	for i := range 210 {
		notified(fmt.Sprintf("A%04d", i), qfpay.NotifyPayment)
	}
	notified("A0005", qfpay.NotifyRefund)
	counts, found := violations(t, r.rdb, r.keys)
	if counts.Payments != 211 || len(found) != 0 {
		t.Fatalf("before anything was broken: %+v, %v", counts, found)
	}

	stream := r.keys.Payments()
	all := r.rdb.XRange(ctx, stream, "-", "+").Val()
	again := func(of redis.XMessage, change ...string) string {
		t.Helper()
		for n := 0; n < len(change); n += 2 {
			of.Values[change[n]] = change[n+1]
		}
		id, err := r.rdb.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: of.Values}).Result()
		ok(t, err)
		return id
	}
	doubled, expired := again(all[0]), again(all[1], "event", "expired")
	ok(t, r.rdb.XDel(ctx, stream, all[2].ID).Err())
	ok(t, r.rdb.ZRem(ctx, r.keys.Open("default"), "default:A0210").Err())
	early := again(all[4], "out_trade_no", "A0211", "issued_as", "A0211")
	refunds := again(all[210])
	ok(t, r.rdb.HSet(ctx, r.keys.Order("default:A0006"), "payment", "closed").Err())
	ok(t, r.rdb.HSet(ctx, r.keys.Order("default:A0007"), "issued_as", "A0007_2").Err())
	ok(t, r.rdb.HDel(ctx, r.keys.Order("default:A0008"), "payment", "payment_entry").Err())
	stray := again(redis.XMessage{Values: map[string]any{"a": "b"}})
	_, found = violations(t, r.rdb, r.keys)
	want := map[string]string{
		"default:A0000":          fmt.Sprintf("has two final events in the payment stream: %s (paid), which it knows, and %s (paid)", all[0].ID, doubled),
		"default:A0001":          fmt.Sprintf("has two final events in the payment stream: %s (paid), which it knows, and %s (expired)", all[1].ID, expired),
		"default:A0002":          "its payment event, entry " + all[2].ID + ", is missing from the stream though older ones are there",
		"default:A0005":          fmt.Sprintf("has two events refunded in the payment stream: %s, which it knows, and %s", all[210].ID, refunds),
		"default:A0006":          fmt.Sprintf("entry %s of the payment stream says paid, and its journal closed", all[6].ID),
		"default:A0007":          fmt.Sprintf("entry %s of the payment stream is about A0007, and its code was published as A0007_2", all[7].ID),
		"default:A0008":          fmt.Sprintf("entry %s of the payment stream is an event of it, but it has no code that is followed", all[8].ID),
		"default:A0210":          "its code is open, and not among those that are followed: nobody asks QFPay about it",
		"default:A0211":          fmt.Sprintf("entry %s of the payment stream says paid, and its journal does not know", early),
		"payment entry " + stray: fmt.Sprintf("entry %s is not a payment: the field v is missing", stray),
	}
	if d := cmp.Diff(want, found); d != "" {
		t.Error(d)
	}

	ok(t, r.rdb.XTrimMaxLen(ctx, stream, 0).Err())
	if _, found := violations(t, r.rdb, r.keys); len(found) != 1 { // A0210
		t.Errorf("the payment stream was trimmed: %v", found)
	}
}

func TestAudit_FindsNothingWrongWithATrimmedStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	stop := r.start()
	r.results(len(r.enqueue(20, nil)))
	stop()
	for _, left := range []int64{5, 0} {
		ok(t, r.rdb.XTrimMaxLen(t.Context(), r.keys.Results(), left).Err())
		counts, found := violations(t, r.rdb, r.keys)
		if counts.Trimmed != 20-int(left) || len(found) != 0 {
			t.Errorf("%d left: %+v, %v", left, counts, found)
		}
	}
	ok(t, r.rdb.Del(t.Context(), r.keys.Results()).Err())
	if counts, found := violations(t, r.rdb, r.keys); len(found) != 20 || counts.Trimmed != 0 {
		t.Errorf("the whole stream is gone, and yet: %+v, %v", counts, found)
	}
}

// Orders come, go, come back and are tried again while they are audited.
func TestAudit_FindsNothingBesideWorkers(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Faults: simulator.Faults{"unreachable": .1, "http_429": .1, "respcd_1294": .2}})
	r.start()
	r.enqueue(300, func(i int, o *tasks.Order) { o.Batch = fmt.Sprint("batch-", i%3) })
	ctx, cancel := context.WithCancel(t.Context())
	var auditing sync.WaitGroup
	audits := 0
	auditing.Go(func() {
		for ctx.Err() == nil {
			counts, found := violations(t, r.rdb, r.keys)
			if audits++; len(found) != 0 {
				t.Errorf("%+v: %v", counts, found)
			}
		}
	})
	results := r.results(300)
	i := inspect.New(r.rdb, r.keys)
	for _, res := range results {
		if res.Outcome == "rejected" {
			_, err := i.Reopen(t.Context(), res.ID, time.Time{})
			ok(t, err)
		}
	}
	cancel()
	auditing.Wait()
	if audits == 0 {
		t.Error("no audit")
	}
}

// SCAN has no key: it must go to the node that has the shard.
func TestAudit_LooksAtTheRightNodeOfACluster(t *testing.T) {
	t.Parallel()
	rdb := redistest.StartCluster(t, 2).Client(t)
	for _, prefix := range []string{"{a}", "{b}", "{c}"} { // two of them on the same node, or three
		keys := tasks.Keys{Prefix: prefix}
		for _, no := range []string{"A1", "A2"} {
			_, err := tasks.NewProducer(rdb, keys).Accept(t.Context(), anOrder(no).WithDefaults(time.Now()))
			ok(t, err)
		}
		ok(t, rdb.ZRem(t.Context(), keys.Due(), "default:A2").Err())
		counts, found := violations(t, rdb, keys)
		if counts.Orders != 2 || len(found) != 1 || found["default:A2"] == "" {
			t.Errorf("%s: %+v, %v", prefix, counts, found)
		}
		h, err := inspect.New(rdb, keys).Order(t.Context(), "default:A1")
		if err != nil || h.State != "NEW" {
			t.Errorf("%+v, %v", h, err)
		}
	}
}

// Each counter of a batch is the number of its orders, whatever they have gone through.
func TestAudit_RecountsBatches(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx, p := t.Context(), tasks.NewProducer(f.Redis, f.Keys)
	for _, batch := range []string{"march", "april", "may", "june"} {
		for n := range 3 {
			o := anOrder(fmt.Sprintf("%s-%d", batch, n))
			o.Batch = batch
			_, err := p.Enqueue(ctx, o)
			ok(t, err)
		}
		f.id = "default:" + batch + "-0"
		f.end(f.take("a"), tasks.Expired)
		f.id = "default:" + batch + "-1"
		f.end(f.take("a"), tasks.Expired)
		f.reopen()
	}
	if counts, found := violations(t, f.Redis, f.Keys); len(found) != 0 || counts.Recounted != 4 || counts.Moving != 0 {
		t.Fatalf("before anything was broken: %+v, %v", counts, found)
	}

	march, april := f.Keys.Batch("march"), f.Keys.Batch("april")
	ok(t, f.Redis.HIncrBy(ctx, march, "accepted", 1).Err())
	ok(t, f.Redis.HDel(ctx, march, "waiting:bulk:default").Err())
	ok(t, f.Redis.HSet(ctx, march, "rejected", 1).Err())
	ok(t, f.Redis.HSet(ctx, april, "waiting", "many").Err())
	ok(t, f.Redis.Set(ctx, f.Keys.Batch("may"), "a text", 0).Err())
	ok(t, f.Redis.Del(ctx, f.Keys.Batch("june")).Err())
	counts, found := violations(t, f.Redis, f.Keys)
	want := map[string]string{
		"batch march":    "accepted is 4, and of its orders 3; rejected is 1, and of its orders 0; waiting:bulk:default is 0, and of its orders 2",
		"batch april":    `its counter waiting is "many", not a number`,
		"batch may":      "its counters cannot be read: WRONGTYPE Operation against a key holding the wrong kind of value",
		"default:june-1": "its batch june has no counters: was the key deleted?",
		"default:june-2": "its batch june has no counters: was the key deleted?",
	}
	if d := cmp.Diff(want, found); d != "" || counts.Violations != len(want) {
		t.Errorf("%d violations\n%s", counts.Violations, d)
	}
}
