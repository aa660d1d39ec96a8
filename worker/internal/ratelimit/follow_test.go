package ratelimit

import (
	"testing"
	"time"
)

// following reserves slots for queries about published codes until none is near enough.
func following(t *testing.T, l *Limiter) (n int, wait time.Duration) {
	t.Helper()
	for n = 0; ; n++ {
		wait, yes := granted(t, l, Follow)
		if !yes || n == 100 {
			return n, wait
		}
	}
}

// Queries about published codes have a tenth of the limit: of 400 a minute one in 1.5 s. While orders in
// doubt or interactive ones wait, it is half of that; bulk that waits changes nothing.
func TestFollow_HasATenth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		queued Class
		most   time.Duration
	}{{Bulk, 1600 * time.Millisecond}, {Interactive, 3100 * time.Millisecond}, {Doubt, 3100 * time.Millisecond}} {
		q := newQueued(t, 0, 400)
		q.join("O", c.queued)
		began := time.Now()
		n, wait := following(t, q.limiter)
		if n == 0 || n > 3+int(time.Since(began)/time.Second) || wait < time.Second || wait > c.most {
			t.Errorf("behind class %d: %d calls at once, and the next in %s, want %s", c.queued, n, wait, c.most)
		}
		if c.queued != Bulk && wait < c.most/2 {
			t.Errorf("behind class %d: the next in %s", c.queued, wait)
		}
	}
}

// However low the limit is, a call a minute may leave; and no call of another class waits for them.
func TestFollow_IsNeverWithoutCallsAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 4)
	for range 3 {
		if _, wait := following(t, q.limiter); wait > 61*time.Second {
			t.Errorf("the next call may leave in %s", wait)
		}
		ok(t, q.rdb.Del(t.Context(), q.limiter.keys[0]).Err()) // the minute is over
	}
	for _, class := range []Class{Doubt, Interactive, Bulk} {
		if wait, yes := granted(t, q.limiter, class); !yes || wait > 100*time.Millisecond {
			t.Errorf("class %d waits %s, granted %t", class, wait, yes)
		}
	}
}

// A run in bulk uses the whole minute; queries about published codes still get most of their tenth, bulk
// nine tenths, and no window has more than its limit.
func TestFollow_SharesTheMinuteWithBulk(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 200) // MinSpacing alone allows 300 in 3 s
	l := New(Config{Redis: q.rdb, Keys: q.limiter.Keys, Limits: q.limiter.Limits, Second: 100 * time.Millisecond, Minute: 3 * time.Second})
	bulk, follow := 0, 0
	began := time.Now()
	for time.Since(began) < 7*time.Second {
		if _, yes := granted(t, l, Bulk); yes {
			bulk++
		}
		if r, _, err := l.Reserve(t.Context(), Follow, false, ""); err == nil && r != nil {
			follow++
		}
		time.Sleep(2 * time.Millisecond)
	}
	limit := 200 * time.Since(began).Seconds() / 3.25
	ahead := 7 // what is reserved for the next second
	if float64(follow) < 0.06*limit || float64(follow-ahead) > 0.11*limit || float64(bulk) < 0.9*(limit-float64(follow)) {
		t.Errorf("%d of bulk and %d queries, where %.0f calls may leave", bulk, follow, limit)
	}
	if n := most(slots(t, q.rdb, l), l.Minute); n > 200 {
		t.Errorf("%d calls in one window", n)
	}
}
