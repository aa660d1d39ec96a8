// Package ratelimit keeps QFPay's limits: so many calls a second and a minute for each
// app_code, over all processes and all endpoints.
//
// Redis has a log of the calls of an app_code, on Redis's clock (lua/limits.lua). A
// [Limiter] reserves slots in it: a [Reservation] says from when until when one call may
// leave. An order whose slot is too far off waits in a queue of its class, and is dispatched
// with a reservation when its turn comes ([Limiter.Dispatch]).
//
// When Redis cannot be asked, no call leaves. The package never makes a call, and knows
// nothing of journals or merchants.
//
// Start reading at [Limiter.Reserve] and lua/limits.lua.
package ratelimit

import (
	"context"
	"crypto/rand"
	"embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Limits are what the gateway allows one app_code. A limit of 0 is none.
type Limits struct {
	AppCode   string
	PerSecond int
	PerMinute int
}

// Config is what a limiter needs.
type Config struct {
	Redis  redis.UniversalClient
	Keys   tasks.Keys
	Limits Limits

	// The windows; zero: a second and a minute. A test cannot wait for minutes.
	Second, Minute time.Duration

	// OnReserve is called after each attempt to reserve a slot.
	OnReserve func(Usage)
	// OnError is called when an operation on Redis failed that has no caller to tell.
	OnError func(op string)
}

// Usage says how far off a slot was, and how much of the quota is in use, as shares of 1.
type Usage struct {
	Class      Class
	Wait       time.Duration
	UsedSecond float64
	UsedMinute float64
}

// callsInDoubt is how many calls an order in doubt needs at most, in the normal course, before the
// journal knows more: a query in two months, and a close by two ways.
const callsInDoubt = 4

// joinQuery is how many further orders in doubt are dispatched with one that has slots: they join
// its query, which asks about many orders.
const joinQuery = 24

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	reserveScript  = redisscript.Load(luaFiles, "limits", "reserve")
	dispatchScript = redisscript.Load(luaFiles, "limits", "dispatch")
	pauseScript    = redisscript.Load(luaFiles, "limits", "pause")
)

// Limiter keeps the limits of one app_code.
type Limiter struct {
	Config
	keys     []string // calls, interactive, state, and the wait queues
	dispatch []string // keys of dispatch.lua
	args     []any    // of limits.lua
	each     time.Duration
	scale    time.Duration // of the pauses: the minute divided by 60
}

// New returns the limiter of an app_code.
func New(c Config) *Limiter {
	if c.Second == 0 {
		c.Second, c.Minute = time.Second, time.Minute
	}
	calls := c.Keys.Calls(c.Limits.AppCode)
	l := &Limiter{Config: c, scale: c.Minute / 60,
		keys: []string{calls, calls + ":interactive", calls + ":state"},
		args: []any{c.Limits.PerSecond, (c.Second + timing.Guard).Microseconds(),
			c.Limits.PerMinute, (c.Minute + timing.Guard).Microseconds(), timing.MinSpacing.Microseconds()}}
	switch {
	case c.Limits.PerMinute > 0:
		l.each = c.Minute / time.Duration(c.Limits.PerMinute)
	case c.Limits.PerSecond > 0:
		l.each = c.Second / time.Duration(c.Limits.PerSecond)
	}
	for n := range queues {
		l.keys = append(l.keys, fmt.Sprintf("%s:waiting:%d", calls, n))
	}
	l.dispatch = append(l.keys[:len(l.keys):len(l.keys)], c.Keys.Waiting(), c.Keys.Due())
	return l
}

// with returns the arguments of limits.lua and further ones.
func (l *Limiter) with(args ...any) []any { return append(l.args[:len(l.args):len(l.args)], args...) }

// Reserve reserves the next slot for one call. Without a slot soon enough it returns no
// reservation, and the time that the wait queue takes at the full rate.
//
// A continuation follows on another call of its attempt. It goes before the wait queue, since
// the attempt would have to begin again with its first call; instead of names a slot that
// is reserved for it already, and is given up for this one.
func (l *Limiter) Reserve(ctx context.Context, class Class, continuation bool, instead string) (*Reservation, time.Duration, error) {
	name, asked := rand.Text(), time.Now()
	answer, err := reserveScript.Run(ctx, l.Redis, l.keys, l.with(int(class), name, class.maxWait().Microseconds(),
		timing.BulkReserveAhead.Microseconds(), flag(continuation), instead)...).Slice()
	if err != nil {
		return nil, 0, fmt.Errorf("limiter: reserve: %w", err)
	}
	words, n, ok := parse(answer)
	if !ok || len(n) != 3 {
		return nil, 0, fmt.Errorf("limiter: reserve: unexpected answer %v", answer)
	}
	wait := microseconds(n[0])
	if l.OnReserve != nil {
		l.OnReserve(Usage{Class: class, Wait: wait, UsedSecond: share(n[1], l.Limits.PerSecond), UsedMinute: share(n[2], l.Limits.PerMinute)})
	}
	if words != "granted" {
		return nil, wait, nil
	}
	return newReservation(l, name, asked, wait), wait, nil
}

// Pause stops all calls of the app_code, in all processes, after HTTP 429. asked is the
// gateway's Retry-After, or 0. It returns the length of the pause.
func (l *Limiter) Pause(ctx context.Context, asked time.Duration) (time.Duration, error) {
	us, err := pauseScript.Run(ctx, l.Redis, l.keys,
		l.with(asked.Microseconds(), l.scaled(timing.FirstPause), l.scaled(timing.MaxPause))...).Int64()
	if err != nil {
		return 0, fmt.Errorf("limiter: pause: %w", err)
	}
	return microseconds(us), nil
}

// scaled is a pause, in µs, in the windows of this limiter.
func (l *Limiter) scaled(pause time.Duration) int64 {
	return int64(pause.Seconds() * float64(l.scale.Microseconds()))
}

// parse reads a word and the whole numbers behind it.
func parse(answer []any) (word string, numbers []int64, ok bool) {
	if len(answer) == 0 {
		return "", nil, false
	}
	for _, v := range answer[1:] {
		n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
		if err != nil {
			return "", nil, false
		}
		numbers = append(numbers, n)
	}
	return fmt.Sprint(answer[0]), numbers, true
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

func flag(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func share(used int64, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(used) / float64(of)
}
