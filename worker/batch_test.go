package worker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// lostAnswers runs every third script twice, as a client does whose first answer was lost.
type lostAnswers struct {
	rdb  *redis.Client
	runs atomic.Int64
}

func (l *lostAnswers) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *lostAnswers) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		l.maybe(ctx, cmd)
		return next(ctx, cmd)
	}
}

func (l *lostAnswers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			l.maybe(ctx, cmd)
		}
		return next(ctx, cmds)
	}
}

func (l *lostAnswers) maybe(ctx context.Context, cmd redis.Cmder) {
	if strings.HasPrefix(cmd.Name(), "eval") && l.runs.Add(1)%3 == 0 {
		l.rdb.Do(ctx, cmd.Args()...)
	}
}

// batchWalk does random things to a few orders in two batches and in none.
type batchWalk struct {
	*rapid.T
	*journal.Journal
	ctx      context.Context
	rdb      *redis.Client
	producer *tasks.Producer
	known    map[string]*journal.Claim // the last claim of each order, perhaps out of date
}

var (
	someNumber  = rapid.SampledFrom([]string{"N1", "N2", "N3", "N4", "N5"})
	someOwner   = rapid.SampledFrom([]string{"a", "b"})
	someBatch   = rapid.SampledFrom([]string{"", "one", "two"})
	someLane    = rapid.SampledFrom(tasks.Lanes())
	someOutcome = rapid.SampledFrom([]tasks.Outcome{tasks.Created, tasks.Rejected, tasks.Expired, tasks.Unresolved})
)

func (b *batchWalk) id(t *rapid.T) string {
	return someOwner.Draw(t, "merchant") + ":" + someNumber.Draw(t, "number")
}

func (b *batchWalk) accept(t *rapid.T) {
	var orders []tasks.Order
	for range rapid.IntRange(1, 6).Draw(t, "orders") {
		o := anOrder(someNumber.Draw(t, "number"))
		o.Merchant, o.Batch, o.Lane = someOwner.Draw(t, "merchant"), someBatch.Draw(t, "batch"), someLane.Draw(t, "lane")
		if minutes := rapid.IntRange(0, 2).Draw(t, "not before"); minutes > 0 {
			o.NotBefore = time.Now().Add(time.Duration(minutes) * time.Minute)
		}
		orders = append(orders, o)
	}
	if _, err := b.producer.EnqueueAll(b.ctx, orders); err != nil {
		t.Fatal(err)
	}
}

func (b *batchWalk) acceptInvalid(t *rapid.T) {
	id, batch := b.id(t), someBatch.Draw(t, "batch")
	payload := fmt.Sprintf(`{"merchant":%q,"out_trade_no":%q,"txamt":"much","batch":%q}`, id[:1], id[2:], batch)
	err := b.producer.AcceptInvalid(b.ctx, id, []byte(payload), "")
	if err != nil && !strings.Contains(err.Error(), "other content") {
		t.Fatal(err)
	}
}

func (b *batchWalk) claim(t *rapid.T) {
	id := b.id(t)
	c, err := b.Claim(b.ctx, id, rapid.StringN(1, 3, 3).Draw(t, "token"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Status != journal.ClaimOurs {
		return
	}
	b.known[id] = &c
	if rapid.Bool().Draw(t, "a create leaves") {
		b.Intent(b.ctx, &c) // the walk goes on whatever becomes of it
	}
}

// lapse lets another attempt have an order.
func (b *batchWalk) lapse(t *rapid.T) {
	if id := b.id(t); b.known[id] != nil {
		b.rdb.HSet(b.ctx, b.Keys.Order(id), "lease_until", 1)
	}
}

func (b *batchWalk) settle(t *rapid.T) {
	if c := b.known[b.id(t)]; c != nil {
		r := outcome(someOutcome.Draw(t, "outcome"))
		r.Syssn, r.IssuedAs = "1", "N"
		b.Settle(b.ctx, c, r) // it may have lost the order
	}
}

func (b *batchWalk) reopen(t *rapid.T) {
	inspect.New(b.Redis, b.Keys).Reopen(b.ctx, b.id(t), time.Time{}) // it may not be open to that
}

func (b *batchWalk) setAside(t *rapid.T) {
	e := &journal.DamagedError{ID: b.id(t)}
	for range timing.DamagedTries {
		b.SetAside(b.ctx, e)
	}
}

// agree compares the counters with the journals.
func (b *batchWalk) agree() {
	batches := []string{"one", "two"}
	pipe := b.rdb.Pipeline()
	var orders, counters []*redis.MapStringStringCmd
	var lives []*redis.DurationCmd
	for _, merchant := range []string{"a", "b"} {
		for n := range 5 {
			orders = append(orders, pipe.HGetAll(b.ctx, b.Keys.Order(fmt.Sprintf("%s:N%d", merchant, n+1))))
		}
	}
	for _, name := range batches {
		counters, lives = append(counters, pipe.HGetAll(b.ctx, b.Keys.Batch(name))), append(lives, pipe.PTTL(b.ctx, b.Keys.Batch(name)))
	}
	if _, err := pipe.Exec(b.ctx); err != nil {
		b.Fatal(err)
	}
	want := map[string]map[string]int64{}
	for i, order := range orders {
		h := order.Val()
		if h["batch"] == "" {
			continue
		}
		count := want[h["batch"]]
		if count == nil {
			count = map[string]int64{"waiting": 0}
			want[h["batch"]] = count
		}
		merchant := []string{"a", "b"}[i/5]
		count["accepted"]++
		count["merchant:"+merchant]++
		at, _ := strconv.ParseInt(h["accepted_at"], 10, 64)
		if later, err := strconv.ParseInt(h["not_before"], 10, 64); err == nil {
			count["last_not_before"] = max(count["last_not_before"], later)
		}
		count["last_accepted_at"] = max(count["last_accepted_at"], at)
		if first := count["first_accepted_at"]; first == 0 || at < first {
			count["first_accepted_at"] = at
		}
		if h["state"] == "DONE" {
			count[h["outcome"]]++
			continue
		}
		count["waiting"]++
		count["waiting:"+h["lane"]+":"+merchant]++
	}
	for i, name := range batches {
		got := map[string]int64{}
		for field, value := range counters[i].Val() {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			if zero := n == 0 && slices.Contains(tasks.Outcomes(), tasks.Outcome(field)); !zero && field != "last_settled_at" {
				got[field] = n
			}
		}
		if diff := cmp.Diff(want[name], got); diff != "" && len(got)+len(want[name]) > 0 {
			b.Fatalf("batch %s (- recount, + counters):\n%s", name, diff)
		}
		left := lives[i].Val()
		if keeps := left > timing.Retention-time.Minute && left <= timing.Retention; len(got) > 0 && (got["waiting"] == 0) != keeps || got["waiting"] > 0 && left != -1 {
			b.Fatalf("batch %s, in which %d wait, is kept for %v", name, got["waiting"], left)
		}
	}
}

// Counters that somebody has changed by hand hold up no order.
func TestBatch_DamagedCountersHoldUpNoOrder(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx, p, batch := t.Context(), tasks.NewProducer(f.Redis, f.Keys), f.Keys.Batch("one")
	for i, damage := range []func() error{
		func() error { return f.Redis.Del(ctx, batch).Err() },
		func() error { return f.Redis.HSet(ctx, batch, "waiting", "many", "accepted", "").Err() },
		func() error { return f.Redis.Set(ctx, batch, "a text", 0).Err() },
	} {
		o := anOrder(fmt.Sprintf("B%d", i))
		o.Batch = "one"
		for _, do := range []func() error{
			func() error {
				_, err := p.EnqueueAll(ctx, []tasks.Order{o, anOrder(o.OutTradeNo + "-alone")})
				return err
			},
			damage,
			func() error { // settled and re-opened
				f.id = "default:" + o.OutTradeNo
				f.end(f.take("a"), tasks.Expired)
				f.reopen()
				f.end(f.take("b"), tasks.Expired)
				return nil
			},
			func() error { // into what is damaged
				o.OutTradeNo += "-later"
				_, err := p.Enqueue(ctx, o)
				return err
			},
		} {
			ok(t, do())
		}
		if f.id = "default:" + o.OutTradeNo; !f.isDue() {
			t.Errorf("%s is not due", f.id)
		}
	}
	if _, found := violations(t, f.Redis, f.Keys); len(found) != 1 || !strings.HasPrefix(found["batch one"], "its counters cannot be read") {
		t.Errorf("the audit finds %v", found)
	}
}

// A batch is kept while an order of it waits, and runs out when none does.
func TestBatch_IsKeptWhileAnOrderWaits(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	o := anOrder("B1")
	o.Batch = "one"
	_, err := tasks.NewProducer(f.Redis, f.Keys).Enqueue(t.Context(), o)
	ok(t, err)
	f.id = "default:B1"
	runsOut := func(want bool, when string) {
		t.Helper()
		if left := f.Redis.TTL(t.Context(), f.Keys.Batch("one")).Val(); (left > 0) != want {
			t.Errorf("%s: its counters are kept for %v", when, left)
		}
	}
	runsOut(false, "accepted")
	f.end(f.take("a"), tasks.Expired)
	runsOut(true, "settled")
	f.reopen()
	runsOut(false, "re-opened")
}
