package ratelimit

import (
	"slices"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
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
// nine tenths, and no window has more than its limit. On a clock of its own, for three minutes.
func TestFollow_SharesTheMinuteWithBulk(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	got, at := map[Class]int{}, []time.Duration{}
	const step, length = 100 * time.Millisecond, 3 * time.Minute
	for range length / step {
		for _, c := range []Class{Bulk, Follow} {
			answer := p.run(reserveOnClock, p.limiter.keys, int(c), p.name("R"), c.maxWait().Microseconds(),
				timing.BulkReserveAhead.Microseconds(), flag(false), "")
			if _, n, _ := parse(answer); answer[0] == "granted" {
				got[c]++
				at = append(at, time.Duration(p.now+n[0])*time.Microsecond)
			}
		}
		p.now += step.Microseconds()
	}
	bulk, follow := float64(got[Bulk]), float64(got[Follow])
	limit := 400 * float64(length) / float64(time.Minute+timing.Guard)
	if follow < 0.06*limit || follow > 0.11*limit || bulk < 0.9*(limit-follow) {
		t.Errorf("%g of bulk and %g queries, where %.0f calls may leave", bulk, follow, limit)
	}
	slices.Sort(at)
	if n := most(at, time.Minute); n > 400 {
		t.Errorf("%d calls in one window", n)
	}
}
