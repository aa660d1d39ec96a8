package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// setClockBack leaves what Redis has when its clock is set back: every time that a limiter has stored
// is so much further ahead.
func setClockBack(ctx context.Context, rdb *redis.Client, l *Limiter, by time.Duration) {
	for _, key := range l.keys[:2] {
		for _, z := range rdb.ZRangeWithScores(ctx, key, 0, -1).Val() {
			rdb.ZIncrBy(ctx, key, float64(by.Microseconds()), fmt.Sprint(z.Member))
		}
	}
	for _, field := range []string{"pause", "paused_at", "bulk", "factor_at"} {
		if rdb.HExists(ctx, l.keys[2], field).Val() {
			rdb.HIncrBy(ctx, l.keys[2], field, by.Microseconds())
		}
	}
}

// MaxWait and the guard, as lua/limits.lua has them.
const furthest = timing.MaxWait + timing.Guard

func TestClock_ThatWentBackStopsNoCall(t *testing.T) {
	t.Parallel()
	for _, back := range []time.Duration{40 * time.Second, 300 * time.Second} {
		for _, class := range []Class{Interactive, Bulk} {
			rdb := redistest.Start(t).Client(t)
			l := testLimiter(rdb, 100, 400)
			for range 10 {
				granted(t, l, class)
			}
			setClockBack(t.Context(), rdb, l, back)
			if wait, yes := granted(t, l, class); !yes && wait > furthest+100*time.Millisecond {
				t.Errorf("class %d waits for %s after the clock went back by %s", class, wait, back)
			}
		}
	}
}

// The slot of a call that was cancelled, or has left the window, is noted for bulk.
func TestClock_ThatWentBackStopsNoBulkWhoseCallsAreGone(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := testLimiter(rdb, 100, 400)
	granted(t, l, Interactive) // bulk has to spread its calls
	for range 2 {
		r, _, err := l.Reserve(t.Context(), Bulk, false, "")
		ok(t, err)
		if r != nil {
			r.Cancel(t.Context())
		}
	}
	setClockBack(t.Context(), rdb, l, 40*time.Second)
	ok(t, rdb.Del(t.Context(), l.keys[0]).Err())
	if wait, yes := granted(t, l, Bulk); !yes && wait > 2*furthest {
		t.Errorf("bulk waits for %s", wait)
	}
}

// A pause lasts as long as it was meant to, with the calls before it and without them.
func TestClock_ThatWentBackMakesNoPauseLonger(t *testing.T) {
	t.Parallel()
	for _, calls := range []int{0, 10} {
		rdb := redistest.Start(t).Client(t)
		l := testLimiter(rdb, 100, 400)
		for range calls {
			granted(t, l, Interactive)
		}
		_, err := l.Pause(t.Context(), 20*time.Second)
		ok(t, err)
		setClockBack(t.Context(), rdb, l, 300*time.Second)
		wait, yes := granted(t, l, Interactive)
		if yes || wait < 19*time.Second || wait > 20*time.Second+furthest {
			t.Errorf("after %d calls: granted %t, in %s; the pause was 20s", calls, yes, wait)
		}
	}
}

// Whatever was called before the clock went back: no window that holds calls from before and from
// after has too many, and a call waits for one window at most.
func TestClock_ThatWentBackKeepsTheLimits(t *testing.T) {
	t.Parallel()
	rdb, ctx := redistest.Start(t).Client(t), t.Context()
	const perSecond, perMinute = 3, 8
	l := testLimiter(rdb, perSecond, perMinute)
	rapid.Check(t, func(t *rapid.T) {
		ok := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		ok(rdb.FlushDB(ctx).Err())
		class := Class(rapid.IntRange(0, int(Bulk)).Draw(t, "class"))
		now := rdb.Time(ctx).Val()
		var at []time.Duration // the calls as the gateway has them
		next := now.Add(-time.Duration(rapid.Int64Range(0, int64(70*time.Second)).Draw(t, "first")))
		for i := 0; i < perMinute && next.Before(now.Add(timing.MaxWait)); i++ {
			at = append(at, time.Duration(next.UnixMicro())*time.Microsecond)
			ok(rdb.ZAdd(ctx, l.keys[0], redis.Z{Score: float64(next.UnixMicro()), Member: i}).Err())
			if class == Interactive {
				ok(rdb.ZAdd(ctx, l.keys[1], redis.Z{Score: float64(next.UnixMicro()), Member: i}).Err())
			}
			next = next.Add(time.Second/perSecond + time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "gap")))
		}
		setClockBack(ctx, rdb, l, time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "back")))
		for range perMinute {
			r, wait, err := l.Reserve(ctx, class, false, "")
			ok(err)
			if r == nil {
				if wait > time.Minute+timing.Guard+furthest {
					t.Errorf("a call waits for %s", wait)
				}
				break
			}
			at = append(at, time.Duration(rdb.ZScore(ctx, l.keys[0], r.name).Val())*time.Microsecond)
		}
		slices.Sort(at)
		if s, m := most(at, time.Second), most(at, time.Minute); s > perSecond || m > perMinute {
			t.Errorf("%d calls in a second and %d in a minute; allowed are %d and %d", s, m, perSecond, perMinute)
		}
	})
}
