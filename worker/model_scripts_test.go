package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// What the model proves, it proves of its own journal. Here that journal and the
// real one, its Lua scripts on a real Redis, are put through the same random
// sequences of steps by three attempts, with leases that lapse, scripts that are
// repeated, and attempts that act on what they knew long ago. Every answer, and
// everything that is written, must be the same.
func TestModel_HasTheRealJournal(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	orders := 0
	for range 5 { // a hundred walks each
		rapid.Check(t, func(t *rapid.T) {
			orders++
			newTwins(t, rdb, anOrder(fmt.Sprintf("T%d", orders))).walk()
		})
	}
}

// twins are the model's journal and the real one, and what three attempts know of it.
type twins struct {
	*rapid.T
	ctx   context.Context
	real  *journal
	id    string
	book  book
	known map[token]*claim
	once  map[token]claim // what each knew at some time before
}

// slowTimes are too long for anything to lapse by itself.
func slowTimes() timing.Times {
	t := timing.For(time.Minute)
	t.Lease = time.Hour
	return t
}

func newTwins(t *rapid.T, rdb *redis.Client, o tasks.Order) *twins {
	o = o.WithDefaults(time.Now())
	w := &twins{T: t, ctx: context.Background(), id: o.ID(), book: newBook(), known: map[token]*claim{}, once: map[token]claim{},
		real: &journal{rdb: rdb, scripts: redisscript.NewPipelinedClient(rdb), keys: tasks.Keys{Prefix: tasks.DefaultPrefix}, times: slowTimes()}}
	w.must(rdb.Del(w.ctx, w.real.keys.Results()).Err())
	if _, err := tasks.NewProducer(rdb, w.real.keys).Accept(w.ctx, o); err != nil {
		t.Fatal(err)
	}
	for _, who := range []token{firsts, seconds, bygone} {
		w.known[who] = &claim{id: w.id, token: w.name(who)}
	}
	return w
}

// walk takes random steps. Claims are offered more often than lapses, so that there
// is a holder most of the time.
func (w *twins) walk() {
	w.Repeat(map[string]func(*rapid.T){
		"":             func(*rapid.T) { w.same() },
		"claim":        w.claim,
		"claim ":       w.claim,
		"intent":       w.intent,
		"retract":      w.retract,
		"close_intent": w.closeIntent,
		"reissue":      w.reissue,
		"settle":       w.settle,
		"release":      w.release,
		"reopen":       func(*rapid.T) { w.reopen() },
		"lapse":        func(*rapid.T) { w.setLease(over, 0) },
		"run low":      func(*rapid.T) { w.setLease(short, w.real.times.Call/2) },
		"sweep":        func(*rapid.T) { w.sweep() },
	})
}

func (w *twins) must(err error) {
	if err != nil {
		w.Fatal(err)
	}
}

func (w *twins) name(who token) string {
	if who == nobodys {
		return ""
	}
	return w.id + "/" + strconv.Itoa(int(who))
}

// who draws an attempt, the holder more often than another, and what it knows, or
// sometimes what it knew before.
func (w *twins) who() (token, *claim) {
	t := rapid.SampledFrom([]token{firsts, seconds, bygone}).Draw(w.T, "attempt")
	if w.book.holder != nobodys && rapid.Bool().Draw(w.T, "the holder") {
		t = w.book.holder
	}
	before, is := w.once[t]
	if is && rapid.IntRange(0, 3).Draw(w.T, "as before") == 3 {
		return t, &before
	}
	if rapid.Bool().Draw(w.T, "remember") {
		w.once[t] = *w.known[t]
	}
	return t, w.known[t]
}

// agree compares the answers to a step that is allowed or lost.
func (w *twins) agree(got error, want bool) {
	if got != nil && !errors.Is(got, errLost) {
		w.Fatal(got)
	}
	if (got == nil) != want {
		w.Fatalf("Redis: %v; the model allows it: %t", got, want)
	}
}

// twice runs a step, and sometimes once more with what was known before it, as when
// its answer was lost.
func (w *twins) twice(c *claim, step func(c *claim)) {
	before := *c
	step(c)
	if rapid.Bool().Draw(w.T, "repeated") {
		w.same()
		step(&before)
		*c = before
	}
}

func (w *twins) claim(*rapid.T) {
	t, c := w.who()
	got, err := w.real.claim(w.ctx, w.id, w.name(t))
	w.must(err)
	w.claimed(t, c, got)
}

// claimed compares what became of a claim, and reports whether the order is the attempt's.
func (w *twins) claimed(t token, c *claim, got claim) bool {
	if want := w.book.claim(t); got.status != want {
		w.Fatalf("claim: Redis %d, model %d", got.status, want)
	}
	if got.status != claimOurs {
		return false
	}
	*c = got
	w.dueIn(w.real.times.Lease)
	w.knows(c, handOf(w.book))
	return true
}

// knows compares what a claim says with what the model's attempt would know.
func (w *twins) knows(c *claim, h hand) {
	got := hand{state: c.state, reissues: uint8(c.reissues), createsSent: uint8(c.createsSent), notFound: c.notFound > 0, sent: h.sent}
	if c.sentAt.IsZero() != (h.sent == unsent) || c.firstSentAt.IsZero() != (h.sent == unsent) {
		w.Fatalf("first sent at %s, sent at %s; in the model: %d", c.firstSentAt, c.sentAt, h.sent)
	}
	if got != h {
		w.Fatalf("the claim knows %+v, the model's attempt %+v", got, h)
	}
}

func (w *twins) intent(*rapid.T) {
	t, c := w.who()
	w.twice(c, func(c *claim) {
		h := hand{reissues: uint8(c.reissues), createsSent: uint8(c.createsSent)}
		want := w.book.intent(t, h.reissues, h.createsSent)
		w.agree(w.real.intent(w.ctx, c), want)
		if want && (c.state != policy.StateSent || c.createsSent != int(h.createsSent)+1 || c.notFound != 0) {
			w.Fatalf("after an intent the attempt knows %+v", c)
		}
	})
}

func (w *twins) retract(*rapid.T) {
	t, c := w.who()
	w.twice(c, func(c *claim) {
		want := w.book.retract(t, uint8(c.reissues))
		w.agree(w.real.retract(w.ctx, c), want)
		if want && (c.state != policy.StateNew || c.createsSent != 0 || !c.sentAt.IsZero() || !c.firstSentAt.IsZero()) {
			w.Fatalf("after a retract the attempt knows %+v", c)
		}
	})
}

func (w *twins) closeIntent(*rapid.T) {
	t, c := w.who()
	w.twice(c, func(c *claim) {
		want := w.book.closeIntent(t, uint8(c.reissues))
		w.agree(w.real.closeIntent(w.ctx, c), want)
		if want && c.state != policy.StateClosing {
			w.Fatalf("after a close intent the attempt knows %+v", c)
		}
	})
}

func (w *twins) reissue(*rapid.T) {
	t, c := w.who()
	w.twice(c, func(c *claim) {
		number := c.reissues
		want := w.book.reissue(t, uint8(number))
		w.agree(w.real.reissue(w.ctx, c), want)
		if want && (c.state != policy.StateNew || c.reissues != number+1 || c.createsSent != 0 || c.notFound != 0 || !c.sentAt.IsZero()) {
			w.Fatalf("after a reissue the attempt knows %+v", c)
		}
	})
}

func (w *twins) settle(*rapid.T) {
	t, c := w.who()
	end := rapid.SampledFrom([]ending{endCreated, endRejected, endExpired, endUnresolved}).Draw(w.T, "outcome")
	w.twice(c, func(c *claim) {
		want := w.book.settle(t, uint8(c.reissues), end)
		first, err := w.real.settle(w.ctx, c, outcome(outcomes[end]))
		w.agree(err, want != notAllowed)
		if err == nil && first != (want == published) {
			w.Fatalf("settle: published %t, in the model %d", first, want)
		}
	})
}

func (w *twins) release(*rapid.T) {
	t, c := w.who()
	gone := rapid.Bool().Draw(w.T, "gone")
	w.twice(c, func(c *claim) {
		want := w.book.release(t, gone)
		w.agree(w.real.release(w.ctx, c, deferredFor, gone, event.DeferDoubt, nil), want)
		if want {
			w.dueIn(deferredFor)
		}
	})
}

const deferredFor = 10 * time.Hour

// setLease lets time pass for the attempt that has the order.
func (w *twins) setLease(l lease, left time.Duration) {
	if w.book.lease == over {
		return
	}
	w.book.lease = l
	until := time.Now().Add(left).UnixMilli()
	w.must(w.real.rdb.HSet(w.ctx, w.real.keys.Order(w.id), "lease_until", until).Err())
}

// sweep lets the order's time come. It is handed out if it is in due, once.
func (w *twins) sweep() {
	due := w.real.keys.Due()
	w.must(w.real.rdb.ZAddXX(w.ctx, due, redis.Z{Score: 1, Member: w.id}).Err())
	for _, want := range []bool{w.book.due, false} {
		found, err := w.real.sweep(w.ctx, 1000, time.Hour, time.Hour)
		all := found.due
		w.must(err)
		got := slices.ContainsFunc(all, func(d dueOrder) bool { return d.id == w.id && d.lane == tasks.Bulk })
		if got != want {
			w.Fatalf("swept: %t, in the model %t", got, want)
		}
	}
	if w.book.due {
		w.dueIn(time.Hour)
	}
}

// reopen has a person re-opens the order.
func (w *twins) reopen() {
	_, err := NewInspector(w.real.rdb, w.real.keys).Reopen(w.ctx, w.id, time.Time{})
	var not *NotReopened
	if err != nil && !errors.As(err, &not) {
		w.Fatal(err)
	}
	if want := w.book.reopen(); (err == nil) != want {
		w.Fatalf("reopen: %v; the model allows it: %t", err, want)
	}
}

// dueIn tells that the order is due after this time, give or take a minute.
func (w *twins) dueIn(want time.Duration) {
	score, err := w.real.rdb.ZScore(w.ctx, w.real.keys.Due(), w.id).Result()
	w.must(err)
	if got := time.Until(time.UnixMilli(int64(score))); (got - want).Abs() > time.Minute {
		w.Fatalf("due in %s, want %s", got, want)
	}
}
