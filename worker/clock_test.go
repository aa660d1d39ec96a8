package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// setClockBack leaves what a Redis has whose clock is set back: every time that it stores is further
// ahead. The limiter has a test of its own.
func setClockBack(t *testing.T, rdb *redis.Client, keys tasks.Keys, by time.Duration) {
	t.Helper()
	ctx := t.Context()
	ok(t, rdb.HSet(ctx, keys.Clock(), "seen", time.Now().Add(by).UnixMilli()).Err())
	for _, key := range []string{keys.Due(), keys.Waiting()} {
		for _, z := range rdb.ZRangeWithScores(ctx, key, 0, -1).Val() {
			ok(t, rdb.ZIncrBy(ctx, key, float64(by.Milliseconds()), fmt.Sprint(z.Member)).Err())
		}
	}
	for _, key := range rdb.Keys(ctx, keys.Order("*")).Val() {
		for _, field := range []string{"leased_at", "lease_until", "sent_at", "first_sent_at"} {
			if rdb.HExists(ctx, key, field).Val() {
				ok(t, rdb.HIncrBy(ctx, key, field, by.Milliseconds()).Err())
			}
		}
	}
}

// However many orders wait, each is due when it was to be, and the wait queues are looked at.
func TestClock_ThatWentBackMakesNoOrderLate(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	rdb, ctx, n := f.Redis, t.Context(), 2500
	back, err := f.MendClock(ctx)
	ok(t, err)
	if back != 0 {
		t.Fatalf("at the first call the clock went back by %s", back)
	}
	due := make([]redis.Z, n)
	for i := range due { // many at the same moment
		due[i] = redis.Z{Score: float64(time.Now().Add(300*time.Second + time.Duration(i/700)*time.Second).UnixMilli()), Member: i}
	}
	ok(t, rdb.ZAdd(ctx, f.Keys.Due(), due...).Err())
	ok(t, rdb.ZAdd(ctx, f.Keys.Waiting(), redis.Z{Score: float64(time.Now().Add(300 * time.Second).UnixMilli()), Member: "APP"}).Err())
	ok(t, rdb.HSet(ctx, f.Keys.Clock(), "seen", time.Now().Add(300*time.Second).UnixMilli()).Err())
	if back, err = f.MendClock(ctx); err != nil || back < 299*time.Second || back > 301*time.Second {
		t.Fatalf("the clock went back by %s, %v", back, err)
	}
	for _, key := range []string{f.Keys.Due(), f.Keys.Waiting()} {
		last := rdb.ZRevRangeWithScores(ctx, key, 0, 0).Val()[0]
		if in := time.Until(time.UnixMilli(int64(last.Score))); in > 10*time.Second {
			t.Errorf("%s: %v is due in %s", key, last.Member, in)
		}
	}
	if back, err = f.MendClock(ctx); back != 0 || err != nil {
		t.Errorf("the same step is seen again: %s, %v", back, err)
	}
}

// A lease ends when it was to end, and a create that was sent just now has the time to land.
func TestClaim_OfALeaseFromBeforeTheClockWentBack(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	c := f.take("a")
	ok(t, f.Intent(ctx, c))
	setClockBack(t, f.Redis.(*redis.Client), f.Keys, 300*time.Second)
	if c, err := f.Claim(ctx, f.id, "b"); err != nil || c.Status != journal.ClaimBusy {
		t.Fatalf("the lease still runs: status %d, %v", c.Status, err)
	}
	ok(t, f.Redis.HSet(ctx, f.Keys.Order(f.id), "lease_until", f.field("leased_at")).Err()) // it has just ended
	again := f.take("b")
	if ago := again.ClaimedAt.Sub(again.SentAt); ago < 0 || ago > time.Second {
		t.Errorf("the create was sent %s ago", ago)
	}
}

// Orders of a worker that died and orders in a wait queue get their results as if
// the clock had not been touched.
func TestClock_ThatWentBackDelaysNoResult(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	for i := range r.config.Merchants {
		r.config.Merchants[i].PerMinute = 400
	}
	orders := r.enqueue(20, nil)
	w := &journal.Journal{Redis: r.rdb, Scripts: r.rdb, Keys: r.keys, Times: r.times}
	dead := *w
	dead.Times.Lease = 100 * time.Millisecond
	for _, o := range orders[:10] { // somebody claimed them, and died
		_, err := dead.Claim(t.Context(), "default:"+o.OutTradeNo, "dead")
		ok(t, err)
	}
	queue := &journal.WaitQueue{Key: r.keys.Calls(simulator.SampleAppCode) + ":waiting:2", AppCode: simulator.SampleAppCode}
	for _, o := range orders[10:] {
		c, err := w.Claim(t.Context(), "default:"+o.OutTradeNo, "queued")
		ok(t, err)
		ok(t, w.Release(t.Context(), &c, time.Minute, false, event.DeferQuota, queue))
	}
	ok(t, r.rdb.Del(t.Context(), r.rdb.Keys(t.Context(), "asynq:*").Val()...).Err())
	setClockBack(t, r.rdb, r.keys, 300*time.Second)
	r.start()
	began := time.Now()
	r.agree(r.results(len(orders)))
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if n := strings.Count(r.log.String(), "clock went back"); n != 1 {
		t.Errorf("it was logged %d times", n)
	}
	counted := 0
	for _, e := range seen[event.RedisFailed](r.events) {
		if e.Op == "clock" {
			counted++
		}
	}
	if counted != 1 {
		t.Errorf("it was counted %d times", counted)
	}
}
