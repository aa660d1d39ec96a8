package worker

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// schedule makes the order wait until then, as if it had been accepted so, and due at once.
func (f *journalFixture) schedule(at time.Time) {
	f.t.Helper()
	ok(f.t, f.Redis.HSet(f.t.Context(), f.Keys.Order(f.id), "not_before", at.UnixMilli()).Err())
	ok(f.t, f.Redis.ZAdd(f.t.Context(), f.Keys.Due(), redis.Z{Score: 1, Member: f.id}).Err())
}

// dueAt is when the order is due.
func (f *journalFixture) dueAt() time.Time {
	f.t.Helper()
	return time.UnixMilli(int64(f.Redis.ZScore(f.t.Context(), f.Keys.Due(), f.id).Val()))
}

// However an attempt comes to an order, it does not get it before its time, and the order is due then.
func TestClaim_IsRefusedBeforeNotBefore(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx, at := t.Context(), time.Now().Add(time.Hour).Truncate(time.Millisecond)
	room := journal.Room{tasks.Bulk: 1, tasks.Interactive: 1}

	f.schedule(at)
	if got := f.claimDue(room); len(got) != 0 || !f.dueAt().Equal(at) {
		t.Errorf("the dispatcher claimed %v, due at %s, want %s", got, f.dueAt(), at)
	}
	ok(t, f.Redis.ZAdd(ctx, f.Keys.Due(), redis.Z{Score: float64(at.Add(time.Hour).UnixMilli()), Member: f.id}).Err())
	c, err := f.Claim(ctx, f.id, "a")
	if err != nil || c.Status != journal.ClaimEarly || c.Early < 59*time.Minute || c.Early > time.Hour || !f.dueAt().Equal(at) {
		t.Errorf("claim: status %d, early by %s, %v; due at %s", c.Status, c.Early, err, f.dueAt())
	}
	ok(t, f.Redis.ZAdd(ctx, f.Keys.Damaged(), redis.Z{Score: 1, Member: f.id}).Err())
	if back, err := f.PutBack(ctx, f.id); err != nil || !back {
		t.Errorf("it is not put back: %v", err)
	}
	if got := f.claimDue(room); len(got) != 0 || !f.dueAt().Equal(at) || f.field("first_attempt_at") != "" {
		t.Errorf("after it was put back the dispatcher claimed %v, due at %s", got, f.dueAt())
	}

	f.schedule(time.Now())
	c2 := f.take("a")
	ok(t, f.Release(ctx, c2, 0, false, event.DeferQuota, &journal.WaitQueue{Key: f.Keys.Prefix + ":q", AppCode: "APP"}))
	if since := f.Redis.ZScore(ctx, f.Keys.Prefix+":q", f.id).Val(); since <= float64(c2.AcceptedAt.UnixMilli()) && f.field("not_before") > f.field("accepted_at") {
		t.Errorf("it goes before orders that wait for longer: since %.0f, accepted at %s", since, f.field("accepted_at"))
	}

	// An order in doubt is cleared up, though Redis's clock went back by more than it had waited.
	c3 := f.take("b")
	ok(t, f.Intent(ctx, c3))
	f.lapse()
	f.schedule(at)
	f.take("c")

	ok(t, f.Redis.HSet(ctx, f.Keys.Order(f.id), "not_before", "soon").Err())
	_, err = f.Claim(ctx, f.id, "c")
	var damaged *journal.DamagedError
	if !errors.As(err, &damaged) {
		t.Errorf("a damaged not_before: %v", err)
	}
}

// When Redis's clock goes back, all that is due is brought forward; an order with a not_before still
// waits for it.
func TestClock_ThatWentBackMakesNoOrderEarly(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	at := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	_, err := f.MendClock(t.Context())
	ok(t, err)
	f.schedule(at)
	f.claimDue(journal.Room{tasks.Bulk: 1})
	ok(t, f.Redis.HSet(t.Context(), f.Keys.Clock(), "seen", time.Now().Add(2*time.Hour).UnixMilli()).Err())
	_, err = f.MendClock(t.Context())
	ok(t, err)
	if got := f.claimDue(journal.Room{tasks.Bulk: 1}); len(got) != 0 || !f.dueAt().Equal(at) {
		t.Errorf("claimed %v, due at %s, want %s", got, f.dueAt(), at)
	}
}

// arrivals notes when the gateway first gets a call.
type arrivals struct {
	http.RoundTripper
	mu    sync.Mutex
	first time.Time
}

func (a *arrivals) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	if a.first.IsZero() {
		a.first = time.Now()
	}
	a.mu.Unlock()
	return a.RoundTripper.RoundTrip(r)
}

// Through every door, no order is submitted before its time, and each soon after it. How long it was
// waited for counts from then.
func TestNotBefore_AnOrderIsSubmittedAtItsTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	gateway := &arrivals{RoundTripper: r.gateway.Transport()}
	r.config.HTTP = &http.Client{Transport: gateway}
	r.start()
	at := time.Now().Add(1500 * time.Millisecond)
	later := func(number string) tasks.Order {
		o := anOrder(number)
		o.NotBefore, o.Deadline = at, at.Add(time.Hour)
		return o
	}
	r.enqueue(3, func(i int, o *tasks.Order) { *o = later([]string{"B1", "B2", "B3"}[i]) })
	_, err := r.producer().Enqueue(t.Context(), later("S1"))
	ok(t, err)
	payload, err := json.Marshal(later("P1"))
	ok(t, err)
	_, err = asynq.NewClientFromRedisClient(r.rdb).Enqueue(asynq.NewTask(tasks.TypeCreate, payload), asynq.Queue(r.keys.Queue(tasks.Bulk)))
	ok(t, err)
	payload, err = json.Marshal(later("X1"))
	ok(t, err)
	ok(t, r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: r.keys.Requests(), Values: []any{"order", payload}}).Err())
	r.eventually("all wait in due", func() bool { return r.rdb.ZCard(t.Context(), r.keys.Due()).Val() == 6 })
	h, err := inspect.New(r.rdb, r.keys).Order(t.Context(), "default:P1")
	if err != nil || h.NotBefore.UnixMilli() != at.UnixMilli() {
		t.Errorf("not before %s, %v", h.NotBefore, err)
	}
	r.agree(r.results(6))
	if early := at.Sub(gateway.first); early > 0 {
		t.Errorf("the first call came %s before its time", early)
	}
	for _, e := range seen[event.Started](r.events) {
		if e.Waited > time.Since(at) {
			t.Errorf("it counts as waited for %s", e.Waited)
		}
	}
	for _, e := range seen[event.Settled](r.events) {
		if e.Took < 0 || e.Took > time.Since(at) {
			t.Errorf("it counts as having taken %s", e.Took)
		}
	}
	r.eventually("none counts as scheduled", func() bool { return r.rdb.ZCard(t.Context(), r.keys.Scheduled()).Val() == 0 })
}
