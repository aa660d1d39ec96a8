package ratelimit

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// passes lets time pass: all that the limiter has noted is so much longer ago.
func (q *queued) passes(d time.Duration) {
	q.t.Helper()
	const older = `for i = 1, 2 do
	for _, call in ipairs(redis.call("ZRANGE", KEYS[i], 0, -1)) do redis.call("ZINCRBY", KEYS[i], -ARGV[1], call) end
end
for _, field in ipairs({"bulk", "doubt", "created", "asked"}) do
	if redis.call("HEXISTS", KEYS[3], field) == 1 then redis.call("HINCRBY", KEYS[3], field, -ARGV[1]) end
end`
	err := q.rdb.Eval(q.t.Context(), older, q.limiter.keys[:3], d.Microseconds()).Err()
	if !errors.Is(err, redis.Nil) {
		ok(q.t, err)
	}
}

// age is how long ago the oldest call of the minute was.
func (q *queued) age() time.Duration {
	q.t.Helper()
	now, err := q.rdb.Time(q.t.Context()).Result()
	ok(q.t, err)
	return time.Duration(now.UnixMicro())*time.Microsecond - slots(q.t, q.rdb, q.limiter)[0]
}

// burst has new orders take all that they get within the next two seconds, and returns how many calls that were.
func (q *queued) burst() (n int) {
	q.t.Helper()
	for range 4 {
		for {
			if _, yes := granted(q.t, q.limiter, Interactive); !yes {
				break
			}
			n++
		}
		q.passes(500 * time.Millisecond)
	}
	return n
}

// Interactive orders come in a burst that would fill the minute, and go on coming. Whenever an order falls
// into doubt, calls about it may leave, one in two seconds; before, the burst has nearly the whole
// minute.
func TestDoubt_HasRoomThroughoutABurst(t *testing.T) {
	t.Parallel()
	for _, begins := range []time.Duration{0, 2 * time.Second, 20 * time.Second, 50 * time.Second} {
		q := newQueued(t, 0, 400)
		if n := q.burst() + q.burst(); n < 365 {
			t.Errorf("the burst has %d calls of 400", n)
		}
		for at := time.Duration(0); at < time.Minute; at += 2 * time.Second {
			if at >= begins {
				// New orders may have slots up to a second ahead.
				if n, wait := inDoubt(t, q.limiter); n == 0 && wait > 3100*time.Millisecond {
					t.Errorf("orders in doubt since %s: at %s no call, the next in %s", begins, at, wait)
				}
			}
			q.burst()
		}
	}
}

// What is left to doubt and not needed is not lost: new orders get it within the minute.
func TestDoubt_LosesNoCallThatItDoesNotNeed(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{400, 50, 5} {
		q := newQueued(t, 0, perMinute)
		n := q.burst() + q.burst()
		if n < perMinute*4/5 {
			t.Errorf("the burst has %d calls of %d", n, perMinute)
		}
		for q.age() < 58*time.Second {
			n += q.burst()
		}
		if n < perMinute {
			t.Errorf("%d calls within the minute of %d", n, perMinute)
		}
	}
}

// An order in doubt is dispatched with slots for further calls. Those that it does not use are not of doubt's
// share, which would be used up by a quarter of the orders.
func TestDoubt_PaysForTheCallsThatAreMade(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 0, 400)
	granted(t, q.limiter, Bulk)
	for i := range 10 {
		q.join(fmt.Sprint("D", i), Doubt)
		up, err := q.limiter.Dispatch(t.Context(), 1, ample)
		ok(t, err)
		if len(up) != 1 {
			t.Fatalf("order %d was not dispatched: %d calls of doubt's share were made", i, i)
		}
		session := NewSession(up[0].Reservation)
		_, err = session.Limiter(q.limiter, Doubt, tasks.Bulk).Acquire(t.Context())
		ok(t, err)
		session.Close(t.Context())
	}
}

// Interactive orders come at the full rate of a second, each for a slot some way ahead. An order in doubt that is
// queued gets one all the same.
func TestDoubt_GetsItsTurnWhileTheSecondIsFull(t *testing.T) {
	t.Parallel()
	q := newQueued(t, 100, 0)
	q.join("D", Doubt)
	for range 20 {
		for {
			if wait, yes := granted(t, q.limiter, Interactive); !yes || wait > 600*time.Millisecond {
				break
			}
		}
		if len(q.dispatch(1)) > 0 {
			return
		}
		q.passes(100 * time.Millisecond)
	}
	t.Error("it is still queued after two seconds")
}
