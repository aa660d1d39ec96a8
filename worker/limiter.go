package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

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
	// bulkHorizon is how far ahead bulk takes places while there are interactive
	// orders: what it has taken, they wait behind.
	bulkHorizon = 200 * time.Millisecond
	// Orders in line are given places up to callAhead ahead, so that these are used
	// in time, at most every callEvery. What newcomers of bulk take is no further ahead.
	callAhead = 300 * time.Millisecond
	callEvery = 150 * time.Millisecond

	// callsInDoubt is how many calls an attempt at an order in doubt makes at most, in the
	// normal course, before the journal knows more: an enquiry in two months, and a close
	// by two ways.
	callsInDoubt = 4

	// firstPause follows on HTTP 429, as QFPay's guidelines have it: 1 s, 2 s, 4 s …
	firstPause   = time.Second
	longestPause = 30 * firstPause
)

// limiter keeps the limits of one app_code, over all processes that share its Redis: a
// log of calls, exact for any window, on Redis's clock (lua/limits.lua). When its state
// cannot be had, no call leaves.
type limiter struct {
	rdb      redis.UniversalClient
	merchant string
	appCode  string
	keys     []string      // calls, interactive, state, and the lines by class
	args     []any         // of lua/limits.lua
	call     []string      // keys of call.lua
	limits   [2]int        // a second, a minute
	each     time.Duration // between two calls at the full rate
	scale    time.Duration // of the pauses: what a minute is divided by 60
	observer Observer
}

func newLimiter(rdb redis.UniversalClient, keys tasks.Keys, m Merchant, o Observer) *limiter {
	return newLimiterOf(rdb, keys, m, o, time.Second, time.Minute)
}

// newLimiterOf counts in other windows than QFPay's: a test cannot wait for minutes.
func newLimiterOf(rdb redis.UniversalClient, keys tasks.Keys, m Merchant, o Observer, second, minute time.Duration) *limiter {
	calls := keys.Calls(m.AppCode)
	l := &limiter{rdb: rdb, merchant: m.Name, appCode: m.AppCode, limits: [2]int{m.PerSecond, m.PerMinute}, scale: minute / 60, observer: o,
		keys: []string{calls, calls + ":interactive", calls + ":state"},
		args: []any{m.PerSecond, (second + guard).Microseconds(), m.PerMinute, (minute + guard).Microseconds(), gap.Microseconds()}}
	switch {
	case m.PerMinute > 0:
		l.each = minute / time.Duration(m.PerMinute)
	case m.PerSecond > 0:
		l.each = second / time.Duration(m.PerSecond)
	}
	for c := range classes {
		l.keys = append(l.keys, fmt.Sprintf("%s:line:%d", calls, c))
	}
	l.call = append(l.keys[:len(l.keys):len(l.keys)], linesKey(keys), keys.Due())
	return l
}

// with returns the arguments of lua/limits.lua and further ones.
func (l *limiter) with(args ...any) []any { return append(l.args[:len(l.args):len(l.args)], args...) }

// line returns the line of a class.
func (l *limiter) line(c class) *line { return &line{key: l.keys[3+c], appCode: l.appCode, class: c} }

// take asks for a place for the first call of an attempt: how far off it is, and whether
// it is taken. One that is not taken is as far off as the line is long.
func (l *limiter) take(ctx context.Context, c class, name string) (time.Duration, bool, error) {
	return l.askFor(ctx, c, name, 0, "")
}

// follow asks for a place for a call that follows on another one of its attempt, and
// gives up the spare place for it, if there is one.
func (l *limiter) follow(ctx context.Context, c class, name, spare string) (time.Duration, bool, error) {
	return l.askFor(ctx, c, name, 1, spare)
}

func (l *limiter) askFor(ctx context.Context, c class, name string, follows int, spare string) (time.Duration, bool, error) {
	answer, err := takeScript.Run(ctx, l.rdb, l.keys,
		l.with(int(c), name, c.horizon().Microseconds(), bulkHorizon.Microseconds(), follows, spare)...).Slice()
	if err != nil {
		return 0, false, fmt.Errorf("limiter: %w", err)
	}
	words := texts(answer)
	n, ok := parseAll(words[1:])
	if len(n) != 3 || !ok {
		return 0, false, fmt.Errorf("limiter: unexpected answer %q", words)
	}
	wait := time.Duration(n[0]) * time.Microsecond
	l.observer.Observe(LimiterWaited{Merchant: l.merchant, Urgent: c != classBulk, Waited: wait,
		UsedSecond: share(n[1], l.limits[0]), UsedMinute: share(n[2], l.limits[1])})
	return wait, words[0] == "granted", nil
}

// callUp gives places to at most n orders that wait in line.
func (l *limiter) callUp(ctx context.Context, n int) ([]called, error) {
	asked := time.Now()
	answer, err := callScript.Run(ctx, l.rdb, l.call, l.with(l.appCode, n, rand.Text(),
		callAhead.Microseconds(), bulkHorizon.Microseconds(), callEvery.Microseconds(), sweepPause.Milliseconds(), callsInDoubt)...).Slice()
	if err != nil {
		return nil, fmt.Errorf("limiter: call: %w", err)
	}
	all := make([]called, 0, len(answer))
	for _, row := range answer {
		fields, _ := row.([]any)
		o, ok := l.called(texts(fields), asked)
		if !ok {
			return nil, fmt.Errorf("limiter: call: unexpected answer %v", row)
		}
		all = append(all, o)
	}
	return all, nil
}

// called reads one order of call.lua's answer.
func (l *limiter) called(words []string, asked time.Time) (called, bool) {
	if len(words) != 4 {
		return called{}, false
	}
	n, ok := parseAll([]string{words[1], words[3]})
	if !ok {
		return called{}, false
	}
	p := newPlace(l, words[2], asked, time.Duration(n[0])*time.Microsecond)
	for spare := range n[1] {
		p.spares = append(p.spares, fmt.Sprintf("%s:%d", p.name, spare+1))
	}
	return called{id: words[0], place: p}, true
}

// length is how long a line is, if all of it goes at the full rate.
func (l *limiter) length(ctx context.Context, c class) (time.Duration, error) {
	n, err := l.rdb.ZCard(ctx, l.line(c).key).Result()
	if err != nil {
		return 0, fmt.Errorf("limiter: %w", err)
	}
	return time.Duration(n) * l.each, nil
}

// pause stops all calls of the app_code, in all processes: the gateway answered
// HTTP 429. It returns for how long.
func (l *limiter) pause(ctx context.Context, asked time.Duration) (time.Duration, error) {
	us, err := pauseScript.Run(ctx, l.rdb, l.keys,
		l.with(asked.Microseconds(), l.scaled(firstPause), l.scaled(longestPause))...).Int64()
	if err != nil {
		return 0, fmt.Errorf("limiter: pause: %w", err)
	}
	return time.Duration(us) * time.Microsecond, nil
}

// scaled is a pause, in µs, in the windows of this limiter.
func (l *limiter) scaled(pause time.Duration) int64 {
	return int64(pause.Seconds() * float64(l.scale.Microseconds()))
}

func parseAll(words []string) ([]int64, bool) {
	all := make([]int64, len(words))
	for i, w := range words {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return nil, false
		}
		all[i] = n
	}
	return all, true
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
