package worker

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
)

func testLimiter(rdb redis.UniversalClient, perSecond, perMinute int) *limiter {
	return testLimiterOf(rdb, "APP", perSecond, perMinute)
}

func testLimiterOf(rdb redis.UniversalClient, appCode string, perSecond, perMinute int) *limiter {
	return newLimiter(rdb, tasks.Keys{Prefix: tasks.DefaultPrefix},
		Merchant{Merchant: qfpay.Merchant{Name: "m", AppCode: appCode}, PerSecond: perSecond, PerMinute: perMinute}, nobody{})
}

// Take asks as an attempt of an interactive order does that was not called up.
func (l *limiter) Take(ctx context.Context) (qfpay.Leave, error) {
	return l.asking(classInteractive).Take(ctx)
}

func (l *limiter) asking(c class) *asker { return &asker{limiter: l, class: c, permits: &permits{}} }

// places returns when each granted call leaves, on Redis's clock, in order.
func places(t *testing.T, rdb redis.UniversalClient, l *limiter) []time.Duration {
	t.Helper()
	all, err := rdb.ZRangeWithScores(t.Context(), l.keys[0], 0, -1).Result()
	ok(t, err)
	at := make([]time.Duration, len(all))
	for i, z := range all {
		at[i] = time.Duration(z.Score) * time.Microsecond
	}
	return at
}

// most returns the most places in any window of this length.
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

// Sixteen greedy callers on as many limiters, as in sixteen processes, who come
// back when they are told to: both limits are kept, and both are used up.
func TestLimiter_LetsNoWindowExceedItsLimit(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	var all sync.WaitGroup
	for range 16 {
		l := testLimiter(rdb, 20, 50)
		all.Go(func() {
			for {
				_, err := l.Take(t.Context())
				var throttled *qfpay.Throttled
				switch {
				case err == nil:
				case !errors.As(err, &throttled) || throttled.RetryAfter <= horizon || throttled.ByGateway:
					t.Error(err)
					return
				case throttled.RetryAfter > 30*time.Second: // the minute is used up
					return
				default:
					ok(t, sleep(t.Context(), throttled.RetryAfter))
				}
			}
		})
	}
	all.Wait()
	at := places(t, rdb, testLimiter(rdb, 20, 50))
	if got := most(at, time.Second); got > 20 {
		t.Errorf("%d calls in a second, allowed are 20", got)
	}
	if len(at) != 50 {
		t.Errorf("%d calls in the minute, allowed and wanted are 50", len(at))
	}
	for i := 1; i < len(at); i++ {
		if at[i]-at[i-1] < gap {
			t.Errorf("two calls are %s apart", at[i]-at[i-1])
		}
	}
}

func TestReservation_GoesToAnotherWhenItWasNotUsed(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := testLimiter(rdb, 0, 1)
	leave, err := l.Take(t.Context())
	ok(t, err)
	if _, err := l.Take(t.Context()); err == nil {
		t.Fatal("a second call within the minute")
	}
	leave.GiveBack()
	if _, err := l.Take(t.Context()); err != nil {
		t.Errorf("the place was given back, and yet: %v", err)
	}
}

// Whoever stops waiting leaves no hole in the quota.
func TestReservation_IsGivenBackByACallerThatGivesUp(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := testLimiter(rdb, 2, 0)
	for range 2 {
		_, err := l.Take(t.Context())
		ok(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Take(ctx); !errors.Is(err, context.DeadlineExceeded) {
		// The third call of the second is a second and the guard away: beyond the
		// horizon, or its caller's context ends first.
		var throttled *qfpay.Throttled
		if !errors.As(err, &throttled) {
			t.Fatalf("error %v", err)
		}
	}
	if n := len(places(t, rdb, l)); n != 2 {
		t.Errorf("%d places are taken, want 2", n)
	}
}

func TestLimiter_PausesEveryProcess(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	one, other := testLimiter(rdb, 100, 400), testLimiter(rdb, 100, 400)
	pause, err := one.pause(t.Context(), 20*time.Second)
	ok(t, err)
	if pause < 19*time.Second || pause > 21*time.Second {
		t.Errorf("paused for %s", pause)
	}
	_, err = other.Take(t.Context())
	var throttled *qfpay.Throttled
	if !errors.As(err, &throttled) || throttled.RetryAfter < 19*time.Second {
		t.Errorf("another process was not held: %v", err)
	}
}

// Many workers report the 429s of one burst; that is one strike, not many.
func TestLimiter_CountsNoStrikeDuringAPause(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	l := testLimiter(rdb, 100, 400)
	for range 50 {
		pause, err := l.pause(t.Context(), 0)
		ok(t, err)
		if pause > firstPause {
			t.Fatalf("paused for %s by reports of one burst", pause)
		}
	}
}

func TestLimiter_LetsNoCallGoWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := testLimiter(server.Client(t), 100, 400)
	server.Kill()
	if _, err := l.Take(t.Context()); err == nil {
		t.Error("leave was given though nobody knows how much is left")
	}
}

// Leave is good for a moment: used later it would count in another window.
func TestReservation_RunsOut(t *testing.T) {
	t.Parallel()
	l := testLimiter(redistest.Start(t).Client(t), 100, 400)
	leave, err := l.Take(t.Context())
	ok(t, err)
	if good := time.Until(leave.Until); good > leaveFor {
		t.Errorf("leave is good for another %s", good)
	}
}
