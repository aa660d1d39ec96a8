package ratelimit

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// queued is a limiter with orders in its wait queues.
type queued struct {
	t       *testing.T
	rdb     *redis.Client
	limiter *Limiter
	joined  int
}

func newQueued(t *testing.T, perSecond, perMinute int) *queued {
	rdb := redistest.Start(t).Client(t)
	return &queued{t: t, rdb: rdb, limiter: testLimiter(rdb, perSecond, perMinute)}
}

// join lets an order join the wait queue of a class, as the journal's release does. Orders are
// accepted in the order in which they join first.
func (q *queued) join(id string, c Class) string {
	q.t.Helper()
	q.joined++
	accepted := float64(q.joined)
	if score := q.rdb.ZScore(q.t.Context(), "accepted", id); score.Err() == nil {
		accepted = score.Val()
	}
	ok(q.t, q.rdb.ZAdd(q.t.Context(), "accepted", redis.Z{Score: accepted, Member: id}).Err())
	queue := q.limiter.Queue(c, laneOf(c))
	ok(q.t, q.rdb.ZAdd(q.t.Context(), queue.Key, redis.Z{Score: accepted, Member: id}).Err())
	now := float64(time.Now().UnixMilli())
	ok(q.t, q.rdb.ZAdd(q.t.Context(), q.limiter.Keys.Waiting(), redis.Z{Score: now, Member: queue.AppCode}).Err())
	ok(q.t, q.rdb.ZAdd(q.t.Context(), q.limiter.Keys.Due(), redis.Z{Score: now + 3_600_000, Member: id}).Err())
	return id
}

// laneOf is the lane of the orders of a class here.
func laneOf(c Class) tasks.Lane {
	if c == Interactive {
		return tasks.Interactive
	}
	return tasks.Bulk
}

// ample is room for any number of orders.
var ample = map[tasks.Lane]int{tasks.Interactive: 99, tasks.Bulk: 99}

// dispatch returns the ids of the orders that were dispatched.
func (q *queued) dispatch(n int) []string {
	q.t.Helper()
	all, err := q.limiter.Dispatch(q.t.Context(), n, ample)
	ok(q.t, err)
	ids := make([]string, len(all))
	for i, d := range all {
		ids[i] = d.ID
	}
	return ids
}

func (q *queued) dispatches(n int, want ...string) {
	q.t.Helper()
	if diff := cmp.Diff(want, q.dispatch(n)); diff != "" {
		q.t.Errorf("dispatched (-want +got):\n%s", diff)
	}
}

// next is when a dispatcher must look at the wait queues, from now; not ok when none is left.
func (q *queued) next() (time.Duration, bool) {
	score, err := q.rdb.ZScore(q.t.Context(), q.limiter.Keys.Waiting(), q.limiter.Limits.AppCode).Result()
	return time.Until(time.UnixMilli(int64(score))), err == nil
}

// The more urgent class goes first, and within a class the order that was accepted first, even
// when it joined later: an order that comes back is not behind those that came after it.
func TestDispatch_TakesOrdersInTurn(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 5000)
	b1, b2 := q.join("B1", Bulk), q.join("B2", Bulk)
	i1, d1 := q.join("I1", Interactive), q.join("D1", Doubt)
	q.dispatches(3, d1, i1, b1)
	q.join(b1, Bulk)
	q.dispatches(9, b1, b2)
	if in, left := q.next(); left {
		t.Errorf("the wait queues are empty, and a dispatcher is to look at them in %s", in)
	}
}

// A worker gets no more orders of a lane than it has room for, and a lane without room holds up
// no order of the other one.
func TestDispatch_KeepsToTheRoomOfEachLane(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 1000)
	for _, id := range []string{"B1", "B2", "B3"} {
		q.join(id, Bulk)
	}
	i1 := q.join("I1", Interactive)
	doubt := q.join("D1", Doubt) // of lane bulk
	ok(t, q.rdb.ZAdd(t.Context(), q.limiter.Queue(Doubt, tasks.Interactive).Key, redis.Z{Score: 99, Member: i1}).Err())
	ok(t, q.rdb.ZRem(t.Context(), q.limiter.Queue(Interactive, tasks.Interactive).Key, i1).Err())
	for _, c := range []struct {
		most, interactive, bulk int
		want                    string
	}{
		{9, 0, 0, "[]"},
		{9, 0, 2, "[" + doubt + "/bulk B1/bulk]"},
		{1, 5, 5, "[I1/interactive]"}, // the more urgent queue first, although it is in doubt as well
		{9, 5, 1, "[B2/bulk]"},
		{9, 5, 0, "[]"},
		{9, 0, 5, "[B3/bulk]"},
	} {
		all, err := q.limiter.Dispatch(t.Context(), c.most, map[tasks.Lane]int{tasks.Interactive: c.interactive, tasks.Bulk: c.bulk})
		ok(t, err)
		got := []string{}
		for _, d := range all {
			got = append(got, d.ID+"/"+string(d.Lane))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%+v: dispatched %v", c, got)
		}
		if in, left := q.next(); c.want == "[]" && (!left || in > 0) {
			t.Errorf("%+v: orders wait for room, and a dispatcher is to look in %s, %t", c, in, left)
		}
	}
}

// Each order has a slot of its own, and is due again if no worker claims it.
func TestDispatch_GivesEachOrderAReservation(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 1000)
	for i := range 5 {
		q.join(fmt.Sprint("B", i), Bulk)
	}
	up, err := q.limiter.Dispatch(t.Context(), 3, ample)
	ok(t, err)
	at := slots(t, q.rdb, q.limiter)
	if len(up) != 3 || len(at) != 3 || at[1]-at[0] < timing.MinSpacing || at[2]-at[1] < timing.MinSpacing {
		t.Fatalf("%d orders, slots at %v", len(up), at)
	}
	if in, left := q.next(); !left || in > time.Second {
		t.Errorf("two orders are queued; a dispatcher must look: %t, in %s", left, in)
	}
	due := time.UnixMilli(int64(q.rdb.ZScore(t.Context(), q.limiter.Keys.Due(), up[0].ID).Val()))
	if in := time.Until(due); in > timing.ClaimWithin {
		t.Errorf("a dispatched order is due in %s only", in)
	}
	up[0].Reservation.Cancel(t.Context())
	if n := len(slots(t, q.rdb, q.limiter)); n != 2 {
		t.Errorf("%d slots are reserved after one was cancelled, want 2", n)
	}
}

// An order in doubt waits until the minute has room for its further calls too.
func TestDispatch_FindsRoomForEveryFurtherCall(t *testing.T) {
	t.Parallel()
	const perMinute = callsInDoubt + 3
	q := newQueued(t, 0, perMinute)
	for range perMinute - callsInDoubt + 1 {
		granted(t, q.limiter, Interactive)
	}
	q.join("D1", Doubt)
	up, err := q.limiter.Dispatch(t.Context(), 9, ample)
	ok(t, err)
	if n := len(slots(t, q.rdb, q.limiter)); len(up) != 0 || n > perMinute {
		t.Errorf("dispatched %v, with %d slots in a minute of %d", up, n, perMinute)
	}
}

// An order that has its result by now takes no slot.
func TestDispatch_SkipsASettledOrder(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 1000)
	q.join("B1", Bulk)
	ok(t, q.rdb.ZRem(t.Context(), q.limiter.Keys.Due(), "B1").Err())
	b2 := q.join("B2", Bulk)
	q.dispatches(9, b2)
	if n := len(slots(t, q.rdb, q.limiter)); n != 1 {
		t.Errorf("%d slots for one order", n)
	}
}

// A new order goes behind the queued orders of its class and of more urgent classes, however
// free the limits are.
func TestWaitQueue_PutsANewcomerBehindTheOthers(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 1000)
	q.join("I1", Interactive)
	for c, want := range map[Class]bool{Doubt: true, Interactive: false, Bulk: false} {
		if _, yes := granted(t, q.limiter, c); yes != want {
			t.Errorf("class %d: granted %t, want %t", c, yes, want)
		}
	}
}

// A continuation does not go behind the wait queue. An order in doubt is dispatched with slots
// for its further calls; another one goes with it, to join its query, and has no slots.
func TestWaitQueue_LetsAFollowingCallGoFirst(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 6)
	first, second := q.join("D1", Doubt), q.join("D2", Doubt)
	up, err := q.limiter.Dispatch(t.Context(), 9, ample)
	ok(t, err)
	if len(up) != 2 || up[0].ID != first || up[1] != (Dispatched{ID: second, Lane: tasks.Bulk}) || len(slots(t, q.rdb, q.limiter)) != callsInDoubt {
		t.Fatalf("dispatched: %v, with %d slots in all", up, len(slots(t, q.rdb, q.limiter)))
	}
	third := q.join("D3", Doubt) // waits while the first goes on
	calls := NewSession(up[0].Reservation).Limiter(q.limiter, Doubt, tasks.Bulk)
	for i := range 6 {
		if _, err := calls.Acquire(t.Context()); err != nil {
			t.Fatalf("call %d: %v", i+1, err)
		}
	}
	if _, err := calls.Acquire(t.Context()); err == nil {
		t.Error("a seventh call of six a minute is granted")
	}
	ok(t, q.rdb.Del(t.Context(), q.limiter.keys[0]).Err()) // a minute passes
	q.join(second, Doubt)
	q.dispatches(9, second, third)
}

// What an attempt did not use of its reservation, other orders may.
func TestReservation_IsGivenBackWhenItsAttemptDidNotUseIt(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 6)
	q.join("D1", Doubt)
	up, err := q.limiter.Dispatch(t.Context(), 1, ample)
	ok(t, err)
	session := NewSession(up[0].Reservation)
	_, err = session.Limiter(q.limiter, Doubt, tasks.Bulk).Acquire(t.Context())
	ok(t, err)
	session.Close(t.Context())
	if n := len(slots(t, q.rdb, q.limiter)); n != 1 {
		t.Errorf("%d slots are reserved after one call", n)
	}
}

// Bulk goes at the full rate while it is alone. Once there are interactive orders, it spreads
// its calls over the minute and reserves no slot far ahead.
func TestLimiter_LetsBulkHurryOnlyWhileItIsAlone(t *testing.T) {
	t.Parallel()
	take := func(q *queued, n int) (got int) {
		for range n {
			if _, yes := granted(t, q.limiter, Bulk); yes {
				got++
			}
		}
		return got
	}
	q := newQueued(t, 0, 400)
	if got := take(q, 25); got != 25 {
		t.Errorf("alone, bulk was granted %d calls of 25", got)
	}
	q = newQueued(t, 0, 400)
	granted(t, q.limiter, Interactive)
	// At the full rate a slot comes free every 150 ms, also while these calls ask.
	began := time.Now()
	got := take(q, 60)
	if most := 3 + int(time.Since(began)/(150*time.Millisecond)); got < 1 || got > most {
		t.Errorf("beside interactive orders, bulk was granted %d calls at once, want 1 to %d", got, most)
	}
	// What bulk has taken ahead, an interactive call does not wait for.
	if wait, yes := granted(t, q.limiter, Interactive); !yes || wait > 5*timing.MinSpacing {
		t.Errorf("an interactive call waits %s behind bulk, granted %t", wait, yes)
	}
}

// An urgent call that goes between reserved calls breaks no window, whatever comes when.
func TestLimiter_BreaksNoWindowForAnUrgentCall(t *testing.T) {
	t.Parallel()
	rdb, runs := redistest.Start(t).Client(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		perSecond, perMinute := rapid.IntRange(2, 6).Draw(rt, "a second"), rapid.IntRange(6, 20).Draw(rt, "a minute")
		l := testLimiterOf(rdb, fmt.Sprint("APP", runs), perSecond, perMinute)
		now := rdb.Time(t.Context()).Val().UnixMicro()
		// What has left already, within the limits.
		at := now - (time.Minute + timing.Guard).Microseconds()
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
		for range 30 {
			c := Class(rapid.IntRange(0, 2).Draw(rt, "class"))
			_, _, err := l.Reserve(t.Context(), c, false, "")
			if c == Doubt && rapid.Bool().Draw(rt, "continues") {
				// The slot that is reserved for the continuation (dispatch.lua) is the last one.
				last := rdb.ZRangeWithScores(t.Context(), l.keys[0], -1, -1).Val()
				if len(last) == 1 && int64(last[0].Score) > now {
					_, _, err = l.Reserve(t.Context(), c, true, last[0].Member.(string))
				}
			}
			ok(t, err)
		}
		all := slots(t, rdb, l)
		if n := most(all, time.Second+timing.Guard); n > perSecond {
			rt.Fatalf("%d calls in a second of %d", n, perSecond)
		}
		if n := most(all, time.Minute+timing.Guard); n > perMinute {
			rt.Fatalf("%d calls in a minute of %d", n, perMinute)
		}
		for i := 1; i < len(all); i++ {
			if all[i]-all[i-1] < timing.MinSpacing && all[i] > time.Duration(now)*time.Microsecond {
				rt.Fatalf("calls %s apart", all[i]-all[i-1])
			}
		}
	})
}

// The last fifth of a minute's quota is not given to bulk at once, though it is alone.
func TestLimiter_KeepsSomeOfTheMinuteFromBulk(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 20)
	bulk := 0
	for range 20 {
		if _, yes := granted(t, q.limiter, Bulk); yes {
			bulk++
		}
	}
	if bulk < 16 || bulk > 17 {
		t.Errorf("bulk was granted %d calls of 20", bulk)
	}
	if _, yes := granted(t, q.limiter, Interactive); !yes {
		t.Error("nothing is left for an interactive call")
	}
}

// With each 429 fewer of the limits are used, and with time all of them again.
func TestLimiter_LowersItsShareUponA429AndRaisesItWithTime(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 100)
	full := func() (n int) {
		for {
			wait, yes := granted(t, q.limiter, Interactive)
			if !yes || wait > 10*time.Second {
				return n
			}
			n++
		}
	}
	_, err := q.limiter.Pause(t.Context(), 0)
	ok(t, err)
	ok(t, q.rdb.HSet(t.Context(), q.limiter.keys[2], "pause", 0).Err()) // it is over
	if got := full(); got < 56 || got > 70 {                            // a fifth is left to doubt
		t.Errorf("after one 429 %d calls of 100 are allowed", got)
	}
	ok(t, q.rdb.HIncrBy(t.Context(), q.limiter.keys[2], "factor_at", -3*time.Minute.Microseconds()).Err()) // three minutes pass
	ok(t, q.rdb.Del(t.Context(), q.limiter.keys[0]).Err())
	if got := full(); got < 80 {
		t.Errorf("three minutes after the 429 %d calls of 100 are allowed", got)
	}
}
