package worker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// twins are the model's journal and the real one, and what three attempts know of it.
type twins struct {
	*rapid.T
	ctx   context.Context
	real  *journal.Journal
	id    string
	book  book
	known map[token]*journal.Claim
	once  map[token]journal.Claim // what each knew at some time before
}

// slowTimes are too long for anything to lapse by itself.
func slowTimes() timing.Times {
	t := timing.For(time.Minute)
	t.Lease = time.Hour
	t.CodeMinute = t.LandingTime / 5 // as in the model
	return t
}

func newTwins(t *rapid.T, rdb *redis.Client, o tasks.Order) *twins {
	o = o.WithDefaults(time.Now())
	w := &twins{T: t, ctx: context.Background(), id: o.ID(), book: newBook(), known: map[token]*journal.Claim{}, once: map[token]journal.Claim{},
		real: &journal.Journal{Redis: rdb, Scripts: redisscript.NewPipelinedClient(rdb), Keys: tasks.Keys{Prefix: tasks.DefaultPrefix}, Times: slowTimes()}}
	w.must(rdb.Del(w.ctx, w.real.Keys.Results()).Err())
	if _, err := tasks.NewProducer(rdb, w.real.Keys).Accept(w.ctx, o); err != nil {
		t.Fatal(err)
	}
	for _, who := range []token{firsts, seconds, bygone} {
		w.known[who] = &journal.Claim{ID: w.id, Token: w.name(who)}
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
		"answered":     w.answered,
		"retract":      w.retract,
		"close_intent": w.closeIntent,
		"reissue":      w.reissue,
		"settle":       w.settle,
		"release":      w.release,
		"reopen":       func(*rapid.T) { w.reopen() },
		"cancel":       func(*rapid.T) { w.cancel() },
		"lapse":        func(*rapid.T) { w.setLease(over, 0) },
		"run low":      func(*rapid.T) { w.setLease(short, w.real.Times.Call/2) },
		"claim due":    w.claimDue,
		"its time":     func(*rapid.T) { w.setTime(!w.book.early) },
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
func (w *twins) who() (token, *journal.Claim) {
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
	if got != nil && !errors.Is(got, journal.ErrLost) {
		w.Fatal(got)
	}
	if (got == nil) != want {
		w.Fatalf("Redis: %v; the model allows it: %t", got, want)
	}
}

// twice runs a step, and sometimes once more with what was known before it, as when
// its answer was lost.
func (w *twins) twice(c *journal.Claim, step func(c *journal.Claim)) {
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
	got, err := w.real.Claim(w.ctx, w.id, w.name(t))
	w.must(err)
	w.claimed(t, c, got)
}

// claimed compares what became of a claim, and reports whether the order is the attempt's.
func (w *twins) claimed(t token, c *journal.Claim, got journal.Claim) bool {
	if want := w.book.claim(t); got.Status != want {
		w.Fatalf("claim: Redis %d, model %d", got.Status, want)
	}
	if got.Status != journal.ClaimOurs {
		return false
	}
	*c = got
	w.dueIn(w.real.Times.Lease)
	w.knows(c, handOf(w.book))
	return true
}

// knows compares what a claim says with what the model's attempt would know.
func (w *twins) knows(c *journal.Claim, h hand) {
	got := hand{state: c.State, reissues: uint8(c.Reissues), createsSent: uint8(c.CreatesSent), notFound: c.NotFound > 0, sent: h.sent,
		verdict: c.Verdict, reopens: uint8(c.Reopens), cancelled: c.Cancelled}
	if c.SentAt.IsZero() != (h.sent == unsent) || c.FirstSentAt.IsZero() != (h.sent == unsent) {
		w.Fatalf("first sent at %s, sent at %s; in the model: %d", c.FirstSentAt, c.SentAt, h.sent)
	}
	if got != h {
		w.Fatalf("the claim knows %+v, the model's attempt %+v", got, h)
	}
}

func (w *twins) intent(*rapid.T) {
	t, c := w.who()
	w.twice(c, func(c *journal.Claim) {
		h := hand{reissues: uint8(c.Reissues), createsSent: uint8(c.CreatesSent)}
		refused := w.book.refusesCreate(t, h.reissues, h.createsSent)
		want := w.book.intent(t, h.reissues, h.createsSent)
		err := w.real.Intent(w.ctx, c)
		if errors.Is(err, journal.ErrCancelled) != refused || refused && !c.Cancelled {
			w.Fatalf("intent: %v, and the model refuses it for a cancellation: %t", err, refused)
		} else if refused {
			return
		}
		w.agree(err, want)
		if want && (c.State != policy.StateSent || c.CreatesSent != int(h.createsSent)+1 || c.NotFound != 0) {
			w.Fatalf("after an intent the attempt knows %+v", c)
		}
	})
}

func (w *twins) answered(*rapid.T) {
	t, c := w.who()
	verdict := policy.Verdict(rapid.IntRange(0, int(policy.Verdicts)-1).Draw(w.T, "verdict"))
	w.twice(c, func(c *journal.Claim) {
		want := w.book.answered(t, uint8(c.Reissues), uint8(c.CreatesSent), verdict)
		w.agree(w.real.Answered(w.ctx, c, policy.Answer{HTTPStatus: 200}, verdict), want)
		if want && verdict != policy.NoVerdict && c.Verdict != w.book.verdict {
			w.Fatalf("the attempt knows %d, the model %d", c.Verdict, w.book.verdict)
		}
	})
}

func (w *twins) retract(*rapid.T) {
	t, c := w.who()
	w.twice(c, func(c *journal.Claim) {
		want := w.book.retract(t, uint8(c.Reissues))
		w.agree(w.real.Retract(w.ctx, c), want)
		if want && (c.State != policy.StateNew || c.CreatesSent != 0 || !c.SentAt.IsZero() || !c.FirstSentAt.IsZero()) {
			w.Fatalf("after a retract the attempt knows %+v", c)
		}
	})
}

func (w *twins) closeIntent(*rapid.T) {
	t, c := w.who()
	w.twice(c, func(c *journal.Claim) {
		want := w.book.closeIntent(t, uint8(c.Reissues))
		w.agree(w.real.CloseIntent(w.ctx, c), want)
		if want && c.State != policy.StateClosing {
			w.Fatalf("after a close intent the attempt knows %+v", c)
		}
	})
}

func (w *twins) reissue(*rapid.T) {
	t, c := w.who()
	w.twice(c, func(c *journal.Claim) {
		number := c.Reissues
		want := w.book.reissue(t, uint8(number))
		w.agree(w.real.Reissue(w.ctx, c), want)
		if want && (c.State != policy.StateNew || c.Reissues != number+1 || c.CreatesSent != 0 || c.NotFound != 0 || !c.SentAt.IsZero()) {
			w.Fatalf("after a reissue the attempt knows %+v", c)
		}
	})
}

func (w *twins) settle(*rapid.T) {
	t, c := w.who()
	end := rapid.SampledFrom([]ending{endCreated, endRejected, endExpired, endUnresolved, endCancelled}).Draw(w.T, "outcome")
	w.twice(c, func(c *journal.Claim) {
		want := w.book.settle(t, uint8(c.Reissues), end)
		first, err := w.real.Settle(w.ctx, c, outcome(outcomes[end]))
		w.agree(err, want != notAllowed)
		if err == nil && first != (want == published) {
			w.Fatalf("settle: published %t, in the model %d", first, want)
		}
	})
}

func (w *twins) release(*rapid.T) {
	t, c := w.who()
	gone := rapid.Bool().Draw(w.T, "gone")
	w.twice(c, func(c *journal.Claim) {
		want := w.book.release(t, gone)
		w.agree(w.real.Release(w.ctx, c, deferredFor, gone, event.DeferDoubt, nil), want)
		switch {
		case want && w.book.state == policy.StateNew && w.book.cancelled:
			w.dueIn(0)
		case want:
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
	w.must(w.real.Redis.HSet(w.ctx, w.real.Keys.Order(w.id), "lease_until", until).Err())
}

// setTime puts its not_before ahead, as when Redis's clock goes back, or lets it come.
func (w *twins) setTime(early bool) {
	w.book.early = early
	at := time.Now().Add(-time.Hour)
	if early {
		at = time.Now().Add(time.Hour)
	}
	w.must(w.real.Redis.HSet(w.ctx, w.real.Keys.Order(w.id), "not_before", at.UnixMilli()).Err())
}

// claimDue lets the order's time come: it is claimed if it is in due and nobody's, once.
func (w *twins) claimDue(*rapid.T) {
	t, c := w.who()
	w.must(w.real.Redis.ZAddXX(w.ctx, w.real.Keys.Due(), redis.Z{Score: 1, Member: w.id}).Err())
	for _, want := range []bool{w.book.claimDue(t), false} {
		found, err := w.real.ClaimDue(w.ctx, journal.Room{tasks.Bulk: 1})
		w.must(err)
		if got := len(found.Claims) == 1 && found.Claims[0].ID == w.id; got != want || len(found.Damaged) != 0 {
			w.Fatalf("claimed %+v, in the model %t", found, want)
		}
		if !want {
			continue
		}
		*c = found.Claims[0].Claim
		c.Token = w.name(t) // the model has no other names for its attempts
		w.must(w.real.Redis.HSet(w.ctx, w.real.Keys.Order(w.id), "token", c.Token).Err())
		w.dueIn(w.real.Times.Lease)
		w.knows(c, handOf(w.book))
	}
	switch {
	case w.book.due && w.book.lease == over && w.book.early && w.book.state == policy.StateNew:
		w.dueIn(time.Hour)
	case w.book.due:
		w.dueAgain()
	}
}

// dueAgain tells that an order whose time has come is due again when its lease ends.
func (w *twins) dueAgain() {
	until, err := w.real.Redis.HGet(w.ctx, w.real.Keys.Order(w.id), "lease_until").Int64()
	w.must(err)
	w.dueIn(time.Until(time.UnixMilli(until)))
}

// reopen has a person re-opens the order.
func (w *twins) reopen() {
	_, err := inspect.New(w.real.Redis, w.real.Keys).Reopen(w.ctx, w.id, time.Time{})
	var not *inspect.NotReopened
	if err != nil && !errors.As(err, &not) {
		w.Fatal(err)
	}
	if want := w.book.reopen(); (err == nil) != want {
		w.Fatalf("reopen: %v; the model allows it: %t", err, want)
	}
}

// cancel has somebody ask to cancel the order. Where an attempt goes on with it and has no lease, it is due now.
func (w *twins) cancel() {
	before := w.book
	w.book.cancel()
	got, err := inspect.New(w.real.Redis, w.real.Keys).Cancel(w.ctx, w.id)
	switch {
	case w.book.end == endRejected || w.book.end == endExpired || w.book.end == endUnresolved:
		if !inspect.IsNotCancelled(err) {
			w.Fatalf("cancelled what has ended: %+v, %v", got, err)
		}
		return
	case w.book.end == unsettled && before.lease == over && !before.cancelled:
		w.dueIn(0)
	}
	w.must(err)
	want := map[ending]inspect.CancelStatus{unsettled: inspect.CancelAsked, endCreated: inspect.CancelClose, endCancelled: inspect.Cancelled}
	if got.Status != want[w.book.end] {
		w.Fatalf("cancel: %+v, in the model %d", got, w.book.end)
	}
}

// dueIn tells that the order is due after this time, give or take a minute.
func (w *twins) dueIn(want time.Duration) {
	score, err := w.real.Redis.ZScore(w.ctx, w.real.Keys.Due(), w.id).Result()
	w.must(err)
	if got := time.Until(time.UnixMilli(int64(score))); (got - want).Abs() > time.Minute {
		w.Fatalf("due in %s, want %s", got, want)
	}
}
