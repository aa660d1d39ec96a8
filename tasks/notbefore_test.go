package tasks

import (
	"strconv"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// An order whose not_before is ahead has no task. It is due then, however often it is enqueued, and
// counts as scheduled until then. Any other order is woken for.
func TestNotBefore_ADoorMakesTheOrderDueThen(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	doors := map[string]func(o Order) (AcceptStatus, error){
		"Enqueue": func(o Order) (AcceptStatus, error) {
			r, err := p.Enqueue(t.Context(), o)
			return r.Status, err
		},
		"EnqueueAll": func(o Order) (AcceptStatus, error) {
			r, err := p.EnqueueAll(t.Context(), []Order{o})
			return r[0].Status, err
		},
		"Accept": func(o Order) (AcceptStatus, error) { return p.Accept(t.Context(), o.WithDefaults(time.Now())) },
	}
	for name, door := range doors {
		for _, c := range []struct {
			what  string
			ahead time.Duration
		}{{"ahead", time.Hour}, {"a-month", MaxAhead - time.Minute}, {"now", 0}, {"over", -time.Hour}} {
			o := numbered(name + "-" + c.what)
			o.Deadline, o.NotBefore = time.Time{}, time.Now().Add(c.ahead).Truncate(time.Millisecond)
			id := o.WithDefaults(time.Now()).ID()
			for _, want := range []AcceptStatus{Enqueued, Duplicate} {
				if got, err := door(o); got != want || err != nil {
					t.Fatalf("%s: %s, %v; want %s", o.OutTradeNo, got, err, want)
				}
			}
			due := time.UnixMilli(int64(rdb.ZScore(t.Context(), keys.Due(), id).Val()))
			counted := rdb.ZScore(t.Context(), keys.Scheduled(), id).Err() == nil
			woken := rdb.Exists(t.Context(), "asynq:{"+keys.Queue(Bulk)+"}:t:"+id).Val() == 1
			switch {
			case c.ahead > 0 && (!due.Equal(o.NotBefore) || woken || !counted):
				t.Errorf("%s: due at %s, want %s; woken %t, counted %t", o.OutTradeNo, due, o.NotBefore, woken, counted)
			case c.ahead <= 0 && (time.Until(due) > earlyLook || woken == (name == "Accept") || counted):
				t.Errorf("%s: due in %s; woken %t, counted %t", o.OutTradeNo, time.Until(due), woken, counted)
			}
		}
	}
}

// A producer's clock may be ahead of Redis's, or behind: neither makes the order late or early.
func TestNotBefore_RedisClockDecides(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	for number, c := range map[string]struct {
		redis     time.Duration // when not_before is, by Redis
		scheduled bool          // by the producer
		most      time.Duration // until it is due
	}{"BEHIND": {-time.Minute, true, time.Second}, "AHEAD": {10 * time.Second, false, 10 * time.Second}} {
		o := numbered(number)
		o.Deadline = time.Now().Add(time.Hour)
		var result AcceptResult
		pending, err := pendingOrderOf(o, bulkLook, &result)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(c.redis)
		pending.add(notBefore, strconv.FormatInt(at.UnixMilli(), 10))
		if c.scheduled {
			pending.scheduled, pending.due = at, 0
		}
		if err := p.accept(t.Context(), []pendingOrder{pending}, nil); err != nil {
			t.Fatal(err)
		}
		due := time.UnixMilli(int64(rdb.ZScore(t.Context(), keys.Due(), o.ID()).Val()))
		if in := time.Until(due); in > c.most || in < c.most-5*time.Second {
			t.Errorf("%s: due in %s, want %s", number, in, c.most)
		}
	}
}
