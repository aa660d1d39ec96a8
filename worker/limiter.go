package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

const (
	// guard makes both windows longer than the gateway's, by what the way there may
	// add to one call and not to the next. It costs 0.4 % of a minute's quota.
	guard = 250 * time.Millisecond
	// leaveFor is how long leave is good. A process that was stopped for longer
	// gives it back: used late, it would fall into a window that counts on it.
	leaveFor = 100 * time.Millisecond
	// gap spaces calls, so that a burst does not arrive at the gateway as one.
	gap = 10 * time.Millisecond

	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// limiter gives leave for the calls of one app_code, over all processes that share
// its Redis: a log of calls, exact for any window, on Redis's clock. It implements
// [qfpay.Limiter]. When its state cannot be had, no call leaves.
type limiter struct {
	rdb       redis.UniversalClient
	merchant  string
	calls     string // key of the log
	line      string // key of the times to come back at
	state     string // key of the pause
	perSecond int
	perMinute int
	observer  Observer
}

func newLimiter(rdb redis.UniversalClient, keys tasks.Keys, m Merchant, o Observer) *limiter {
	calls := keys.Calls(m.AppCode)
	return &limiter{rdb: rdb, merchant: m.Name, calls: calls, line: calls + ":line", state: calls + ":state",
		perSecond: m.PerSecond, perMinute: m.PerMinute, observer: o}
}

// Take implements [qfpay.Limiter].
func (l *limiter) Take(ctx context.Context) (qfpay.Leave, error) {
	name := rand.Text()
	asked := time.Now()
	wait, granted, err := l.place(ctx, name)
	if err != nil {
		return qfpay.Leave{}, err
	}
	if !granted {
		return qfpay.Leave{}, &qfpay.Throttled{RetryAfter: wait}
	}
	giveBack := func() { l.giveBack(ctx, name) }
	// The place was counted from a moment after asked, so leave until asked + … is
	// never too long.
	until := asked.Add(wait + leaveFor)
	if err := sleep(ctx, wait); err != nil {
		giveBack()
		return qfpay.Leave{}, err
	}
	return qfpay.Leave{Until: until, GiveBack: giveBack}, nil
}

// place asks for a place: how far off it is, and whether it is taken.
func (l *limiter) place(ctx context.Context, name string) (time.Duration, bool, error) {
	answer, err := takeScript.Run(ctx, l.rdb, []string{l.calls, l.line, l.state},
		name, horizon.Microseconds(),
		l.perSecond, (time.Second + guard).Microseconds(),
		l.perMinute, (time.Minute + guard).Microseconds(),
		gap.Microseconds()).Slice()
	if err != nil {
		return 0, false, fmt.Errorf("limiter: %w", err)
	}
	words := texts(answer)
	if len(words) != 4 {
		return 0, false, fmt.Errorf("limiter: unexpected answer %q", words)
	}
	var n [3]int64
	for i, w := range words[1:] {
		if n[i], err = strconv.ParseInt(w, 10, 64); err != nil {
			return 0, false, fmt.Errorf("limiter: unexpected answer %q", words)
		}
	}
	wait := time.Duration(n[0]) * time.Microsecond
	l.observer.Observe(LimiterWaited{Merchant: l.merchant, Waited: wait,
		UsedSecond: share(n[1], l.perSecond), UsedMinute: share(n[2], l.perMinute)})
	return wait, words[0] == "granted", nil
}

// giveBack returns a place that was not used, also when its caller has no time left.
func (l *limiter) giveBack(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin)
	defer cancel()
	if err := l.rdb.ZRem(ctx, l.calls, name).Err(); err != nil {
		l.observer.Observe(RedisFailed{Op: "give_back"}) // it runs out by itself
	}
}

// pause stops all calls of the app_code, in all processes: the gateway answered
// HTTP 429. It returns for how long.
func (l *limiter) pause(ctx context.Context, asked time.Duration) (time.Duration, error) {
	us, err := pauseScript.Run(ctx, l.rdb, []string{l.state},
		asked.Microseconds(), firstPause.Microseconds(), longestPause.Microseconds()).Int64()
	if err != nil {
		return 0, fmt.Errorf("limiter: pause: %w", err)
	}
	return time.Duration(us) * time.Microsecond, nil
}

func share(used int64, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(used) / float64(of)
}

// sleep waits, or returns why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), ctx.Err())
	}
}
