package ratelimit

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// play has the calls of a merchant, at QFPay's limits, on a clock of its own: minutes pass at once.
type play struct {
	t       *testing.T
	rdb     *redis.Client
	limiter *Limiter
	now     int64 // µs
	later   map[int64][]func()
	named   int              // names so far, of orders and slots
	came    map[string]int64 // when a new order came
	waited  []time.Duration  // how long each interactive order waited for its slot
	left    []int64          // when each call leaves
}

func newPlay(t *testing.T) *play {
	rdb := redistest.Start(t).Client(t)
	return &play{t: t, rdb: rdb, limiter: testLimiter(rdb, 100, 400), now: began, later: map[int64][]func(){}, came: map[string]int64{}}
}

// run runs one of the limiter's scripts at the moment.
func (p *play) run(script *redis.Script, keys []string, args ...any) []any {
	p.t.Helper()
	ctx := p.t.Context()
	pipe := p.rdb.Pipeline()
	pipe.Del(ctx, "clock")
	pipe.RPush(ctx, "clock", p.now/1e6, p.now%1e6)
	_, err := pipe.Exec(ctx)
	ok(p.t, err)
	answer, err := script.Run(ctx, p.rdb, keys, p.limiter.with(args...)...).Slice()
	ok(p.t, err)
	return answer
}

func (p *play) name(of string) string {
	p.named++
	return fmt.Sprintf("%s%07d", of, p.named)
}

func (p *play) after(d time.Duration, do func()) {
	at := p.now + d.Microseconds()
	p.later[at] = append(p.later[at], do)
}

// look is when a dispatcher looks at the wait queues; not ok when they are empty.
func (p *play) look() (at int64, ok bool) {
	score, err := p.rdb.ZScore(p.t.Context(), p.limiter.Keys.Waiting(), p.limiter.Limits.AppCode).Result()
	return int64(score) * 1000, err == nil
}

// passes lets time pass.
func (p *play) passes(d time.Duration) {
	p.t.Helper()
	end := p.now + d.Microseconds()
	for p.now < end {
		next := end
		for at := range p.later {
			next = min(next, at)
		}
		if at, waits := p.look(); waits {
			next = min(next, max(at, p.now+1000))
		}
		p.now = next
		do := p.later[next]
		delete(p.later, next)
		for _, f := range do {
			f()
		}
		if at, waits := p.look(); waits && at <= p.now {
			p.dispatch()
		}
	}
}

// granted notes that an order's call has a slot.
func (p *play) granted(id string, in int64) {
	p.left = append(p.left, p.now+in)
	if came, is := p.came[id]; is && id[0] == 'I' {
		p.waited = append(p.waited, time.Duration(p.now+in-came)*time.Microsecond)
	}
}

// reserve reserves a slot, or has the order join its wait queue.
func (p *play) reserve(id string, c Class, instead string) {
	answer := p.run(reserveOnClock, p.limiter.keys, int(c), p.name("R"), c.maxWait().Microseconds(),
		timing.BulkReserveAhead.Microseconds(), flag(instead != ""), instead)
	if _, n, _ := parse(answer); answer[0] == "granted" {
		p.granted(id, n[0])
	} else {
		p.join(id, c)
	}
}

func (p *play) join(id string, c Class) {
	ctx := p.t.Context()
	ok(p.t, p.rdb.ZAdd(ctx, p.limiter.Queue(c, laneOf(c)).Key, redis.Z{Score: float64(p.now / 1000), Member: id}).Err())
	ok(p.t, p.rdb.ZAdd(ctx, p.limiter.Keys.Due(), redis.Z{Score: 1, Member: id}).Err())
	soon := redis.ZAddArgs{LT: true, Members: []redis.Z{{Score: float64(p.now / 1000), Member: p.limiter.Limits.AppCode}}}
	ok(p.t, p.rdb.ZAddArgs(ctx, p.limiter.Keys.Waiting(), soon).Err())
}

// dispatch dispatches queued orders. One in doubt queries, closes, and comes again 10 s later; those that join its
// query do so, too.
func (p *play) dispatch() {
	for _, row := range p.run(onClock, p.limiter.dispatch, p.limiter.Limits.AppCode, 128, 64, 64, p.name("D"),
		timing.DispatchAhead.Microseconds(), timing.BulkReserveAhead.Microseconds(), timing.DispatchInterval.Microseconds(),
		timing.ClaimWithin.Milliseconds(), callsInDoubt, joinQuery) {
		fields := row.([]any)
		_, n, _ := parse(fields[1:])
		id, slot := fmt.Sprint(fields[0]), fmt.Sprint(fields[1])
		if id[0] != 'D' {
			p.granted(id, n[0])
			continue
		}
		if slot != "" {
			p.granted(id, n[0])
			p.after(microseconds(n[0])+100*time.Millisecond, func() {
				p.reserve(id, Doubt, slot+":1")
				ok(p.t, p.rdb.ZRem(p.t.Context(), p.limiter.keys[0], slot+":2", slot+":3").Err())
			})
		}
		p.after(10*time.Second, func() { p.join(id, Doubt) })
	}
}

// come has new orders come for so long, evenly.
func (p *play) come(c Class, perMinute int, until time.Duration) {
	if until <= 0 {
		return
	}
	id := p.name(map[Class]string{Interactive: "I", Bulk: "B"}[c])
	p.came[id] = p.now
	p.reserve(id, c, "")
	each := time.Minute / time.Duration(perMinute)
	p.after(each, func() { p.come(c, perMinute, until-each) })
}

// callsFrom returns how many calls leave within two minutes from a moment on.
func (p *play) callsFrom(since time.Duration) (n int) {
	for _, at := range p.left {
		if d := microseconds(at-began) - since; d >= 0 && d < 2*time.Minute {
			n++
		}
	}
	return n
}

// QFPay's answers are lost for a while, and then interactive orders come, fewer than half of the quota, while those in
// doubt take their half. Bulk, which came evenly or as one file, has left them the room: its calls do not leave the
// minute in waves.
func TestDoubt_AndBulkLeaveRoomToOrdersAfterAnOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		file   bool
		outage time.Duration
	}{{"evenly", false, 80 * time.Second}, {"as one file", true, 75 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlay(t)
			if c.file {
				for range 2500 {
					p.join(p.name("B"), Bulk)
				}
			} else {
				p.come(Bulk, 360, 20*time.Second+c.outage)
			}
			p.passes(20 * time.Second)
			for range 400 {
				p.join(p.name("D"), Doubt)
			}
			p.passes(c.outage)
			p.come(Interactive, 180, 2*time.Minute)
			p.passes(130 * time.Second)

			slices.Sort(p.waited)
			n := len(p.waited)
			if p99 := p.waited[n*99/100]; n < 360 || p99 > 5*time.Second {
				t.Errorf("%d of 360 interactive orders got their slots, p99 after %s", n, p99)
			}
			if calls := p.callsFrom(20*time.Second + c.outage); calls < 2*400*98/100 {
				t.Errorf("%d calls in the two minutes after the outage, of 800", calls)
			}
		})
	}
}
