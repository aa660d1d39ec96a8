package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// queue is a desk with a limiter and orders that stand in its lines.
type queue struct {
	*desk
	limiter *limiter
}

func newQueue(t *testing.T, perSecond, perMinute int) *queue {
	d := newDesk(t)
	return &queue{desk: d, limiter: testLimiter(d.rdb, perSecond, perMinute)}
}

// join has a new order join the line of a class, and returns its id.
func (q *queue) join(number string, c class) string {
	q.t.Helper()
	o := anOrder(number).WithDefaults(time.Now())
	_, err := tasks.NewProducer(q.rdb, q.keys).Accept(q.t.Context(), o)
	ok(q.t, err)
	held, err := q.claim(q.t.Context(), o.ID(), "x")
	ok(q.t, err)
	ok(q.t, q.release(q.t.Context(), &held, time.Hour, false, DeferQuota, q.limiter.line(c)))
	return o.ID()
}

// callUp returns the ids of the orders that were called up.
func (q *queue) callUp(n int) []string {
	q.t.Helper()
	up, err := q.limiter.callUp(q.t.Context(), n)
	ok(q.t, err)
	ids := make([]string, len(up))
	for i, o := range up {
		ids[i] = o.id
	}
	return ids
}

func (q *queue) called(n int, want ...string) {
	q.t.Helper()
	if diff := cmp.Diff(want, q.callUp(n)); diff != "" {
		q.t.Errorf("called up (-want +got):\n%s", diff)
	}
}

// look is when somebody must look at the lines, from now; not ok when nobody must.
func (q *queue) look() (time.Duration, bool) {
	score, err := q.rdb.ZScore(q.t.Context(), linesKey(q.keys), q.limiter.appCode).Result()
	return time.Until(time.UnixMilli(int64(score))), err == nil
}

// The more urgent go first, and in one line whoever was accepted first, even when it
// joined later: so an order that comes back is not behind those that came after it.
func TestDispatch_TakesOrdersInTurn(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 0, 1000)
	b1, b2 := q.join("B1", classBulk), q.join("B2", classBulk)
	i1, d1 := q.join("I1", classInteractive), q.join("D1", classDoubt)
	q.called(3, d1, i1, b1)
	held, err := q.claim(t.Context(), b1, "y")
	ok(t, err)
	ok(t, q.release(t.Context(), &held, time.Hour, false, DeferQuota, q.limiter.line(classBulk)))
	q.called(9, b1, b2)
	if in, left := q.look(); left {
		t.Errorf("the lines are empty, and somebody is to look at them in %s", in)
	}
}

// Each has a place of its own in the log, and comes to it if nobody takes it in hand.
func TestDispatch_GivesEachOrderAReservation(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 0, 1000)
	for i := range 5 {
		q.join(fmt.Sprint("B", i), classBulk)
	}
	up, err := q.limiter.callUp(t.Context(), 3)
	ok(t, err)
	at := places(t, q.rdb, q.limiter)
	if len(up) != 3 || len(at) != 3 || at[1]-at[0] < gap || at[2]-at[1] < gap {
		t.Fatalf("%d orders, places at %v", len(up), at)
	}
	if in, left := q.look(); !left || in > time.Second {
		t.Errorf("two wait in line; somebody must look: %t, in %s", left, in)
	}
	due := time.UnixMilli(int64(q.rdb.ZScore(t.Context(), q.keys.Due(), up[0].id).Val()))
	if in := time.Until(due); in > sweepPause {
		t.Errorf("an order that was called up is looked after in %s only", in)
	}
	up[0].place.giveBack(t.Context())
	if n := len(places(t, q.rdb, q.limiter)); n != 2 {
		t.Errorf("%d places are taken after one was given back, want 2", n)
	}
}

// An order that has its result by now takes nobody's place.
func TestDispatch_SkipsASettledOrder(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 0, 1000)
	q.join("B1", classBulk)
	ok(t, q.rdb.ZRem(t.Context(), q.keys.Due(), "default:B1").Err())
	b2 := q.join("B2", classBulk)
	q.called(9, b2)
	if n := len(places(t, q.rdb, q.limiter)); n != 1 {
		t.Errorf("%d places for one order", n)
	}
}

// Whoever comes while others wait goes behind them, however free the limits are; but who
// is more urgent does not.
func TestWaitQueue_PutsANewcomerBehindTheOthers(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 0, 1000)
	q.join("I1", classInteractive)
	for c, want := range map[class]bool{classDoubt: true, classInteractive: false, classBulk: false} {
		if _, granted, err := q.limiter.take(t.Context(), c, fmt.Sprint(c)); err != nil || granted != want {
			t.Errorf("class %d: granted %t, want %t; %v", c, granted, want, err)
		}
	}
}

// A call that follows on another one does not go behind the line. Whoever is called up in
// doubt has spare places for such calls, and whoever is called up next goes behind these.
func TestWaitQueue_LetsAFollowingCallGoFirst(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 0, 6)
	first, second := q.join("D1", classDoubt), q.join("D2", classDoubt)
	up, err := q.limiter.callUp(t.Context(), 9)
	ok(t, err)
	if len(up) != 1 || up[0].id != first || len(places(t, q.rdb, q.limiter)) != callsInDoubt {
		t.Fatalf("called up: %v, with %d places in all", up, len(places(t, q.rdb, q.limiter)))
	}
	asks := &asker{limiter: q.limiter, class: classDoubt, permits: &permits{place: up[0].place}}
	for i := range 6 {
		if _, err := asks.Take(t.Context()); err != nil {
			t.Fatalf("call %d: %v", i+1, err)
		}
	}
	if _, err := asks.Take(t.Context()); err == nil {
		t.Error("a seventh call of six a minute is granted")
	}
	ok(t, q.rdb.Del(t.Context(), q.limiter.keys[0]).Err()) // a minute passes
	q.called(9, second)
}

// What an attempt did not use of what it was called up with, others may.
func TestReservation_IsGivenBackWhenItsAttemptDidNotUseIt(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 0, 6)
	q.join("D1", classDoubt)
	up, err := q.limiter.callUp(t.Context(), 1)
	ok(t, err)
	p := &permits{place: up[0].place}
	_, err = (&asker{limiter: q.limiter, class: classDoubt, permits: p}).Take(t.Context())
	ok(t, err)
	p.giveBack(t.Context())
	if n := len(places(t, q.rdb, q.limiter)); n != 1 {
		t.Errorf("%d places are taken after one call", n)
	}
}

// Bulk hurries while nobody else wants anything. Once there are interactive orders, it
// spreads its calls over the minute and holds no place far ahead.
func TestLimiter_LetsBulkHurryOnlyWhileItIsAlone(t *testing.T) {
	t.Parallel()
	take := func(q *queue, n int) (granted int) {
		for i := range n {
			if _, yes, err := q.limiter.take(q.t.Context(), classBulk, fmt.Sprint("b", i)); err != nil {
				q.t.Fatal(err)
			} else if yes {
				granted++
			}
		}
		return granted
	}
	q := newQueue(t, 0, 400)
	if got := take(q, 25); got != 25 {
		t.Errorf("alone, bulk was granted %d calls of 25", got)
	}
	q = newQueue(t, 0, 400)
	_, _, err := q.limiter.take(t.Context(), classInteractive, "i")
	ok(t, err)
	// At the full rate a place comes every 150 ms, also while these calls ask.
	began := time.Now()
	got := take(q, 60)
	if most := 3 + int(time.Since(began)/(150*time.Millisecond)); got < 1 || got > most {
		t.Errorf("beside interactive orders, bulk was granted %d calls at once, want 1 to %d", got, most)
	}
	// What bulk has taken ahead, an interactive call does not wait for.
	if wait, yes, err := q.limiter.take(t.Context(), classInteractive, "j"); err != nil || !yes || wait > 5*gap {
		t.Errorf("an interactive call waits %s behind bulk, granted %t; %v", wait, yes, err)
	}
}

// An urgent call that goes before calls with places already breaks no window: not when it
// is drawn at random what comes when.
func TestLimiter_BreaksNoWindowForAnUrgentCall(t *testing.T) {
	t.Parallel()
	rdb, runs := redistest.Start(t).Client(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		perSecond, perMinute := rapid.IntRange(2, 6).Draw(rt, "a second"), rapid.IntRange(6, 20).Draw(rt, "a minute")
		l := testLimiterOf(rdb, fmt.Sprint("APP", runs), perSecond, perMinute)
		now := rdb.Time(t.Context()).Val().UnixMicro()
		// What has left already, within the limits.
		at := now - (time.Minute + guard).Microseconds()
		var log []int64
		for at < now {
			at += rapid.Int64Range(int64(time.Minute/time.Microsecond)/int64(perMinute)*6/5, 20_000_000).Draw(rt, "pause")
			log = append(log, at)
		}
		for i, at := range log {
			if at < now {
				ok(t, rdb.ZAdd(t.Context(), l.keys[0], redis.Z{Score: float64(at), Member: fmt.Sprint("old", i)}).Err())
			}
		}
		for i := range 30 {
			c := class(rapid.IntRange(0, 2).Draw(rt, "class"))
			_, _, err := l.take(t.Context(), c, fmt.Sprint("new", i))
			if c == classDoubt && rapid.Bool().Draw(rt, "follows") {
				// It follows on a call that it was called up for: its spare place, as call.lua has it, is the last one.
				last := rdb.ZRangeWithScores(t.Context(), l.keys[0], -1, -1).Val()
				if len(last) == 1 && int64(last[0].Score) > now {
					_, _, err = l.follow(t.Context(), c, fmt.Sprint("after", i), last[0].Member.(string))
				}
			}
			ok(t, err)
		}
		all := places(t, rdb, l)
		if n := most(all, time.Second+guard); n > perSecond {
			rt.Fatalf("%d calls in a second of %d", n, perSecond)
		}
		if n := most(all, time.Minute+guard); n > perMinute {
			rt.Fatalf("%d calls in a minute of %d", n, perMinute)
		}
		for i := 1; i < len(all); i++ {
			if all[i]-all[i-1] < gap && all[i] > time.Duration(now)*time.Microsecond {
				rt.Fatalf("calls %s apart", all[i]-all[i-1])
			}
		}
	})
}

// The last fifth of a minute's quota is not given to bulk at once, though it is alone.
func TestLimiter_KeepsSomeOfTheMinuteFromBulk(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 0, 20)
	granted := 0
	for i := range 20 {
		_, yes, err := q.limiter.take(t.Context(), classBulk, fmt.Sprint("b", i))
		ok(t, err)
		if yes {
			granted++
		}
	}
	if granted < 16 || granted > 17 {
		t.Errorf("bulk was granted %d calls of 20", granted)
	}
	if _, yes, err := q.limiter.take(t.Context(), classInteractive, "i"); err != nil || !yes {
		t.Errorf("nothing is left for an interactive call; %v", err)
	}
}

// While the line is long, orders in bulk join it unasked; for a second, not for ever.
func TestWaitQueue_IsNotAskedAboutForEachOrderWhileItIsLong(t *testing.T) {
	t.Parallel()
	var f full
	now := time.Now()
	f.note(now, longLine)
	if _, known := f.join(now, time.Second); known {
		t.Error("a short line counts as long")
	}
	f.note(now, time.Minute)
	for i := range 2 {
		want := time.Minute + time.Duration(i+1)*time.Second
		if length, known := f.join(now, time.Second); !known || length != want {
			t.Errorf("the line is %s long, known %t; want %s", length, known, want)
		}
	}
	if _, known := f.join(now.Add(fullFor+1), time.Second); known {
		t.Error("the line is known to be long for ever")
	}
}

// With every strike fewer of the limits are used, and with time all of them again.
func TestLimiter_LowersItsShareUponA429AndRaisesItWithTime(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 0, 100)
	full := func() (n int) {
		for i := 0; ; i++ {
			wait, yes, err := q.limiter.take(t.Context(), classInteractive, fmt.Sprint("i", i))
			ok(t, err)
			if !yes || wait > 10*time.Second {
				return n
			}
			n++
		}
	}
	_, err := q.limiter.pause(t.Context(), 0)
	ok(t, err)
	ok(t, q.rdb.HSet(t.Context(), q.limiter.keys[2], "pause", 0).Err()) // it is over
	if got := full(); got < 68 || got > 71 {
		t.Errorf("after one strike %d calls of 100 are allowed", got)
	}
	ok(t, q.rdb.HIncrBy(t.Context(), q.limiter.keys[2], "share_at", -3*time.Minute.Microseconds()).Err()) // three minutes pass
	ok(t, q.rdb.Del(t.Context(), q.limiter.keys[0]).Err())
	if got := full(); got != 100 {
		t.Errorf("three minutes after the strike %d calls of 100 are allowed", got)
	}
}

// A merchant whose gateway hangs fills its part of the worker, and no more.
func TestMerchants_AHangingGatewayDelaysNoOtherOne(t *testing.T) {
	t.Parallel()
	accounts := simulator.SampleAccounts(2)
	r := newRig(t, simulator.Config{Merchants: accounts})
	hung := newTurnstile(t, simulator.New(simulator.Config{Merchants: accounts,
		Latency: simulator.Latency{Min: time.Minute, Max: time.Minute}}), aMinute)
	quick := newTurnstile(t, r.gateway, aMinute)
	r.config.HTTP, r.config.Concurrency, r.times = nil, 4, quickTimes()
	for i, m := range []Merchant{{PerMinute: 400}, {}} {
		m.Merchant = qfpay.Merchant{Name: fmt.Sprint("m", i), BaseURL: []string{hung.url, quick.url}[i],
			AppCode: accounts[i].AppCode, Key: accounts[i].Key}
		r.config.Merchants = append(r.config.Merchants[:i], m)
	}
	r.start()
	r.enqueue(40, func(_ int, o *tasks.Order) { o.Merchant = "m0" })
	r.eventually("the slow merchant is at its part", func() bool {
		for _, d := range seen[Deferred](r.events) {
			if d.Reason == DeferCrowded {
				return true
			}
		}
		return false
	})
	r.enqueue(20, func(i int, o *tasks.Order) { o.Merchant, o.OutTradeNo = "m1", fmt.Sprint("Q", i) })
	if got := r.results(20); len(got) != 20 {
		t.Errorf("%d results of the other merchant", len(got))
	}
	if most := hung.most.Load(); most > 2 {
		t.Errorf("%d calls of the slow merchant were under way at once, want at most 2", most)
	}
}
