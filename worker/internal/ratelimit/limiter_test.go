package ratelimit

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

func testLimiter(rdb redis.UniversalClient, perSecond, perMinute int) *Limiter {
	return testLimiterOf(rdb, "APP", perSecond, perMinute)
}

func testLimiterOf(rdb redis.UniversalClient, appCode string, perSecond, perMinute int) *Limiter {
	return New(Config{Redis: rdb, Keys: tasks.Keys{Prefix: tasks.DefaultPrefix},
		Limits: Limits{AppCode: appCode, PerSecond: perSecond, PerMinute: perMinute}})
}

// acquire acquires a permit as an attempt of an interactive order does that was not dispatched.
func acquire(ctx context.Context, l *Limiter) (qfpay.Permit, error) {
	return NewSession(nil).Limiter(l, Interactive, tasks.Interactive).Acquire(ctx)
}

// granted reserves a slot, and reports whether there was one soon enough.
func granted(t *testing.T, l *Limiter, c Class) (wait time.Duration, yes bool) {
	t.Helper()
	r, wait, err := l.Reserve(t.Context(), c, false, "")
	ok(t, err)
	return wait, r != nil
}

// slots returns when each granted call leaves, on Redis's clock, in order.
func slots(t *testing.T, rdb redis.UniversalClient, l *Limiter) []time.Duration {
	t.Helper()
	all, err := rdb.ZRangeWithScores(t.Context(), l.keys[0], 0, -1).Result()
	ok(t, err)
	at := make([]time.Duration, len(all))
	for i, z := range all {
		at[i] = time.Duration(z.Score) * time.Microsecond
	}
	return at
}

// most returns the most slots in any window of this length.
func most(at []time.Duration, window time.Duration) int {
	n, from := 0, 0
	for to := range at {
		for at[to]-at[from] >= window {
			from++
		}
		n = max(n, to-from+1)
	}
	return n
}

// Sixteen greedy callers on as many limiters, as in sixteen processes, come back when they
// are told to: both limits are kept, and both are used up.
func TestLimiter_LetsNoWindowExceedItsLimit(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	var all sync.WaitGroup
	for range 16 {
		l := testLimiter(rdb, 20, 50)
		all.Go(func() {
			for {
				_, err := acquire(t.Context(), l)
				var throttled *qfpay.Throttled
				switch {
				case err == nil:
				case !errors.As(err, &throttled) || throttled.RetryAfter <= timing.MaxWait || throttled.ByGateway:
					t.Error(err)
					return
				case throttled.RetryAfter > 3*time.Second: // the minute is used up, but for what is left to doubt
					return
				default:
					ok(t, wait.Sleep(t.Context(), throttled.RetryAfter))
				}
			}
		})
	}
	all.Wait()
	at := slots(t, rdb, testLimiter(rdb, 20, 50))
	if got := most(at, time.Second); got > 20 {
		t.Errorf("%d calls in a second, allowed are 20", got)
	}
	if len(at) < 40 || len(at) > 50 {
		t.Errorf("%d calls in the minute, wanted are four fifths of 50", len(at))
	}
	for i := 1; i < len(at); i++ {
		if at[i]-at[i-1] < timing.MinSpacing {
			t.Errorf("two calls are %s apart", at[i]-at[i-1])
		}
	}
}

func TestReservation_GoesToAnotherWhenItWasNotUsed(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := testLimiter(rdb, 0, 1)
	permit, err := acquire(t.Context(), l)
	ok(t, err)
	if _, err := acquire(t.Context(), l); err == nil {
		t.Fatal("a second call within the minute")
	}
	permit.Release()
	if _, err := acquire(t.Context(), l); err != nil {
		t.Errorf("the slot was released, and yet: %v", err)
	}
}

// A caller that stops waiting leaves no hole in the quota.
func TestReservation_IsGivenBackByACallerThatGivesUp(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := testLimiter(rdb, 2, 0)
	for range 2 {
		_, err := acquire(t.Context(), l)
		ok(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := acquire(ctx, l); !errors.Is(err, context.DeadlineExceeded) {
		// The third call of the second is a second and the guard away: beyond the
		// horizon, or its caller's context ends first.
		var throttled *qfpay.Throttled
		if !errors.As(err, &throttled) {
			t.Fatalf("error %v", err)
		}
	}
	if n := len(slots(t, rdb, l)); n != 2 {
		t.Errorf("%d slots are reserved, want 2", n)
	}
}

func TestLimiter_PausesEveryProcess(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	one, other := testLimiter(rdb, 100, 400), testLimiter(rdb, 100, 400)
	pause, err := one.Pause(t.Context(), 20*time.Second)
	ok(t, err)
	if pause < 19*time.Second || pause > 21*time.Second {
		t.Errorf("paused for %s", pause)
	}
	_, err = acquire(t.Context(), other)
	var throttled *qfpay.Throttled
	if !errors.As(err, &throttled) || throttled.RetryAfter < 19*time.Second {
		t.Errorf("another process was not held: %v", err)
	}
}

// Many workers report the 429s of one burst: together they count once.
func TestLimiter_CountsNoStrikeDuringAPause(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := testLimiter(rdb, 100, 400)
	for range 50 {
		pause, err := l.Pause(t.Context(), 0)
		ok(t, err)
		if pause > timing.FirstPause {
			t.Fatalf("paused for %s by reports of one burst", pause)
		}
	}
}

func TestLimiter_LetsNoCallGoWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := testLimiter(server.Client(t), 100, 400)
	server.Kill()
	if _, err := acquire(t.Context(), l); err == nil {
		t.Error("a permit was issued although it is not known how much is left")
	}
}

// A permit is good for a moment: used later, its call would count in another window.
func TestReservation_RunsOut(t *testing.T) {
	t.Parallel()
	l := testLimiter(redistest.Start(t).Client(t), 100, 400)
	permit, err := acquire(t.Context(), l)
	ok(t, err)
	if good := time.Until(permit.ExpiresAt); good > timing.ReservationTTL {
		t.Errorf("the permit is good for another %s", good)
	}
}

// The windows are counted longer than the gateway's by the guard, and calls are spaced.
func TestReservation_KeepsApartByTheWindowsAndTheGuard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		perSecond, perMinute int
		apart                time.Duration // the first call and the one after the last that is allowed
	}{
		{5, 0, time.Second + timing.Guard},
		{0, 5, time.Minute + timing.Guard},
		{100, 5, time.Minute + timing.Guard},
	} {
		rdb := redistest.Start(t).Client(t)
		l := testLimiter(rdb, c.perSecond, c.perMinute)
		for i := range 6 {
			if _, yes := granted(t, l, Interactive); yes != (i < 5) {
				t.Fatalf("%+v: call %d granted: %t", c, i+1, yes)
			}
		}
		at := slots(t, rdb, l)
		for i := 1; i < len(at); i++ {
			if at[i]-at[i-1] < timing.MinSpacing {
				t.Errorf("%+v: two calls are %s apart", c, at[i]-at[i-1])
			}
		}
		wait, _ := granted(t, l, Interactive)
		if next := time.Duration(rdb.Time(t.Context()).Val().UnixMicro())*time.Microsecond + wait; next-at[0] < c.apart {
			t.Errorf("%+v: the sixth may leave %s after the first", c, next-at[0])
		}
	}
}

// A reservation is for one app_code alone: a merchant that has another one since reserves anew.
func TestReservation_OfAnotherAppCodeIsCancelled(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	before, after := testLimiterOf(rdb, "A", 9, 0), testLimiterOf(rdb, "B", 9, 0)
	r, _, err := before.Reserve(t.Context(), Bulk, false, "")
	ok(t, err)
	session := NewSession(r)
	_, err = session.Limiter(after, Bulk, tasks.Bulk).Acquire(t.Context())
	ok(t, err)
	session.Close(t.Context())
	if a, b := len(slots(t, rdb, before)), len(slots(t, rdb, after)); a != 0 || b != 1 {
		t.Errorf("%d calls count for the app_code of before, and %d for the one in force", a, b)
	}
}

// All keys of an app_code share a slot, so each script runs on a node of a Redis Cluster.
func TestLimiter_RunsOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	for _, prefix := range []string{"{a}", "{b}"} {
		l := New(Config{Redis: cluster.Client(t), Keys: tasks.Keys{Prefix: prefix}, Limits: Limits{AppCode: "A", PerMinute: 9}})
		_, yes := granted(t, l, Bulk)
		if !yes {
			t.Errorf("%s: no slot", prefix)
		}
		if _, err := l.Dispatch(t.Context(), 1, ample); err != nil {
			t.Error(err)
		}
		if _, err := l.Pause(t.Context(), 0); err != nil {
			t.Error(err)
		}
	}
}
