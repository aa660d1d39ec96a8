package ratelimit

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// inDoubt reserves slots for calls about orders in doubt until none is near enough, and returns
// how many it got, and how long the next would have to wait.
func inDoubt(t *testing.T, l *Limiter) (n int, wait time.Duration) {
	t.Helper()
	for n = 0; ; n++ {
		wait, yes := granted(t, l, Doubt)
		if !yes || n == 400 {
			return n, wait
		}
	}
}

// While there are new orders, doubt has half of the quota: 200 calls a minute, one in 300 ms, and
// a few at once. Without any it leaves a fifth to those that may come.
func TestDoubt_LeavesHalfToNewOrders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		orders bool
		most   int // within the second that slots are reserved ahead
	}{{true, 8 + 4}, {false, 8 + 6}} {
		q := newQueued(t, 0, 400)
		if c.orders {
			granted(t, q.limiter, Bulk)
		}
		began := time.Now()
		n, wait := inDoubt(t, q.limiter)
		if most := c.most + int(time.Since(began)/(180*time.Millisecond)); n < c.most-2 || n > most {
			t.Errorf("with new orders %t: %d calls about orders in doubt at once, want %d to %d", c.orders, n, c.most-2, most)
		}
		if wait > 2*time.Second {
			t.Errorf("the next may leave in %s; one in two seconds always may", wait)
		}
		if wait, yes := granted(t, q.limiter, Interactive); !yes || wait > 300*time.Millisecond {
			t.Errorf("an interactive order waits %s behind them, granted %t", wait, yes)
		}
		// Bulk has the other half: one call in 300 ms, less what interactive orders will need.
		if wait, _ := granted(t, q.limiter, Bulk); wait > 400*time.Millisecond {
			t.Errorf("an order in bulk waits %s behind them", wait)
		}
	}
}

// A hundred orders in doubt are queued: those behind their share hold up no new order.
func TestDispatch_TakesNewOrdersWhileThoseInDoubtWaitForTheirShare(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 400)
	granted(t, q.limiter, Bulk)
	for i := range 100 {
		q.join(fmt.Sprint("D", i), Doubt)
	}
	for i := range 5 {
		q.join(fmt.Sprint("I", i), Interactive)
	}
	doubt, created := 0, 0
	for _, id := range q.dispatch(50) {
		if id[0] == 'D' {
			doubt++
		} else {
			created++
		}
	}
	if doubt == 0 || doubt > 25 || created != 5 {
		t.Errorf("dispatched %d orders in doubt and %d of 5 new ones", doubt, created)
	}
	// Their share is used up for the next seconds, and most of them are still queued.
	paid := q.rdb.Time(t.Context()).Val().Add(time.Minute).UnixMicro()
	ok(t, q.rdb.HSet(t.Context(), q.limiter.keys[2], "doubt", paid).Err())
	q.join("I5", Interactive)
	if ids := q.dispatch(50); !slices.Contains(ids, "I5") {
		t.Errorf("dispatched %v, and not the new order", ids)
	}
	if wait, yes := granted(t, q.limiter, Interactive); !yes {
		t.Errorf("another new order waits %s behind those in doubt", wait)
	}
}

// However much was used, one call in two seconds may leave about orders in doubt.
func TestDoubt_IsNeverWithoutCalls(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 20)
	granted(t, q.limiter, Bulk)
	for range 3 {
		if _, wait := inDoubt(t, q.limiter); wait > 2100*time.Millisecond {
			t.Errorf("the next call may leave in %s", wait)
		}
		ok(t, q.rdb.Del(t.Context(), q.limiter.keys[0]).Err()) // the minute is over
		q.passes(2100 * time.Millisecond)
		if n, _ := inDoubt(t, q.limiter); n == 0 {
			t.Error("two seconds later none may leave")
		}
	}
}
