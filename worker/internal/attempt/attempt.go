package attempt

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sethvargo/go-retry"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/collector"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/failpoint"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/merchants"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// attempt is one run at one order: what is known of it, and the calls made. It carries out what
// the policy decides, and decides nothing itself.
type attempt struct {
	handler  *Handler
	merchant *merchants.State
	claim    journal.Claim
	order    tasks.Order
	known    policy.Facts
	began    time.Time
	session  *ratelimit.Session // of the merchant's limits

	// What the latest answers were; they end in the result and in the log line.
	payment      qfpay.Payment
	row          qfpay.Record
	err          error
	calls        int
	retryAfter   time.Duration  // the longest that an answer has asked for
	closeRefused bool           // QFPay refused the close that this attempt sent
	unasked      bool           // the order must still be asked for by its number
	refused      *refusedCreate // the last create that may have been refused for its configuration; nil: none
}

// run makes turns until the order has a result or must wait. When a slow gateway has left no
// time for the next call, run renews the lease instead of deferring the order: a deferred order
// would begin with the same query again, and get no further.
func (a *attempt) run(ctx context.Context) (policy.Step, error) {
	for renewals := 0; ; renewals++ {
		s, outOfTime, err := a.turn(ctx)
		if err != nil || !outOfTime || renewals == maxRenewals || a.handler.isStopping(ctx) {
			return s, err
		}
		if err := a.handler.Journal.Renew(ctx, &a.claim); err != nil {
			return policy.Step{}, err
		}
	}
}

// turn decides and acts while there is time for another call: each call has to end before the
// lease does.
func (a *attempt) turn(ctx context.Context) (s policy.Step, outOfTime bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.handler.Times.Attempt)
	defer cancel()
	for {
		s := policy.Next(a.facts())
		switch {
		case s.Do == policy.Create && a.handler.Fleet.IsPaused(ctx, a.order):
			return policy.Step{Do: policy.Wait, Why: event.DeferPaused}, false, nil
		case s.Do == policy.Create && a.calls > 0 && a.isHeld():
			return policy.Step{Do: policy.Wait, Why: event.DeferHeld}, false, nil
		case s.Do == policy.Settle || s.Do == policy.Wait || s.Do == policy.WaitNotFound:
			return s, false, nil
		case s.Calls() && !a.timeFor(ctx):
			return policy.Step{Do: policy.Wait, Why: event.DeferDoubt}, true, nil
		}
		switch err := a.act(ctx, s.Do); {
		case errors.Is(err, journal.ErrPaused):
			a.err = nil // nothing has left
			return policy.Step{Do: policy.Wait, Why: event.DeferPaused}, false, nil
		case err != nil:
			return policy.Step{}, false, err
		}
	}
}

// isHeld reports whether a reissue must wait, since the order was refused in this attempt or is held
// by now. Nothing was sent under its number, and without this an order whose answers are all useless
// would use up its numbers in one attempt.
func (a *attempt) isHeld() bool {
	return a.claim.State == policy.StateNew && (a.refused != nil || a.handler.held(a) > 0)
}

// maxRenewals bounds how long one attempt keeps its order, and with it room in the worker: a
// query, a close, and a second way to close.
const maxRenewals = 2

// timeFor reports whether a call can end before the attempt does.
func (a *attempt) timeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) >= a.handler.Times.Call)
}

// Facts returns the facts of an attempt at an order that has called nobody yet.
func (h *Handler) Facts(c journal.Claim, o tasks.Order) policy.Facts {
	return (&attempt{handler: h, claim: c, order: o, began: time.Now()}).facts()
}

// facts completes what the calls have shown with what the claim and the clock say.
func (a *attempt) facts() policy.Facts {
	h, c, f := a.handler, &a.claim, &a.known
	now := a.now()
	f.State, f.Verdict = c.State, c.Verdict
	f.CreateMayLand = !c.SentAt.IsZero() && now.Sub(c.SentAt) < h.Times.LandingTime
	f.NotFoundBefore = c.NotFound > 0
	f.PastDeadline = now.After(a.order.Deadline)
	runsOut, known := a.runsOut()
	f.PastDoubtTimeout = now.After(a.order.Deadline.Add(timing.DoubtTimeout)) && !(known && now.Before(runsOut))
	f.Patient = h.Lost != policy.LostUnresolved && now.Before(runsOut) && (known || !f.PastDeadline)
	f.TooEarlyToClose = a.untilClosable(now) > 0
	f.Cancel = c.Cancelled
	f.Close = h.Lost.MayClose(a.order.PayType, h.UniqueNumbers) || f.Cancel && h.UniqueNumbers && a.order.PayType.Closable()
	f.Reopened = c.Reissues < c.Reopens
	f.Reissue = f.Reopened || h.Lost.MayReissue(a.order.PayType, h.UniqueNumbers, c.Reissues-c.Reopens)
	f.Resend = h.UniqueNumbers && c.CreatesSent < mostCreates(c)
	f.Unique = h.UniqueNumbers
	return *f
}

// runsOut returns when the QR code of the latest create has run out for certain. Where QFPay does not say
// how long it lives, that is when the shortest codes have, which is not to be counted on.
func (a *attempt) runsOut() (at time.Time, known bool) {
	life := a.order.Life() + timing.RunOutLag
	if known = life > timing.RunOutLag; !known {
		life = timing.ShortestCode
	}
	return a.claim.SentAt.Add(a.handler.Times.OfCode(life)), known
}

// untilClosable returns how much older the order must be for its wallet to close it; 0 or less: it is old
// enough. It counts from the latest create, which may be the one that made the order.
func (a *attempt) untilClosable(now time.Time) time.Duration {
	return a.claim.SentAt.Add(a.handler.Times.OfCode(a.order.PayType.ClosableAfter())).Sub(now)
}

// mostCreates is the bound for an order. A person who re-opens it grants one more.
func mostCreates(c *journal.Claim) int {
	if isAnswered(c) {
		return policy.MaxAnswered + c.Reopens
	}
	return policy.MaxCreates + c.Reopens
}

// isAnswered reports whether every create under the number got an answer, of whatever kind.
func isAnswered(c *journal.Claim) bool { return c.Verdict > policy.Lost }

// now is the time on Redis's clock, which the journal is written by.
func (a *attempt) now() time.Time { return a.claim.ClaimedAt.Add(time.Since(a.began)) }

// waitsSince is since when somebody waits for the order: since it was accepted, or since its
// not_before, if that is later.
func (a *attempt) waitsSince() time.Time {
	if a.order.NotBefore.After(a.claim.AcceptedAt) {
		return a.order.NotBefore
	}
	return a.claim.AcceptedAt
}

// issued is the order as it is sent: under its current number, with its name in the form that is
// sent.
func (a *attempt) issued() qfpay.Order {
	o := a.order.Order
	o.GoodsName = a.handler.GoodsName.Sent(o.GoodsName)
	if url := a.handler.NotifyURL; url != "" && o.NotifyURL == "" {
		o.NotifyURL = url + "/" + a.order.Merchant
	}
	o.OutTradeNo = journal.IssuedAs(o.OutTradeNo, a.claim.Reissues)
	return o
}

func (a *attempt) act(ctx context.Context, do policy.Action) error {
	switch do {
	case policy.Create:
		return a.create(ctx)
	case policy.Retract:
		defer failpoint.Hit("retracted")
		return a.handler.Journal.Retract(ctx, &a.claim)
	case policy.Query:
		return a.query(ctx)
	case policy.CloseOrder:
		return a.closeOrder(ctx)
	case policy.Reissue:
		if err := a.handler.Journal.Reissue(ctx, &a.claim); err != nil {
			return err
		}
		failpoint.Hit("reissued")
		a.handler.Observer.Observe(event.Reissued{Merchant: a.order.Merchant})
		a.known = policy.Facts{}
	}
	return nil
}

// create creates the order at QFPay. The intent is written after the permit was issued and before
// the first byte leaves, so that waiting for the limiter leaves no doubt. A create that is sent
// again under the same number continues the queries that allow it, and goes before the wait queue
// as they do.
func (a *attempt) create(ctx context.Context) error {
	intended := false
	a.payment, a.err = a.client(a.class()).CreatePayment(ctx, a.issued(), func(ctx context.Context) error {
		if err := a.handler.Journal.Intent(ctx, &a.claim); err != nil {
			return &journalError{err}
		}
		intended = true
		a.claim.SentAt = a.now()
		if a.claim.FirstSentAt.IsZero() {
			a.claim.FirstSentAt = a.claim.SentAt
		}
		failpoint.Hit("intended")
		return nil
	})
	failpoint.Hit("answered")
	a.calls++
	var unwritten *journalError
	switch {
	case errors.Is(a.err, journal.ErrNumberTaken):
		a.known, a.err = policy.Facts{}, nil // no create has left; the attempt goes on under the next number
		return nil
	case errors.Is(a.err, journal.ErrCancelled):
		a.known, a.err = policy.Facts{}, nil // nor here; the policy says how the order ends
		return nil
	case errors.As(a.err, &unwritten):
		return unwritten.error
	}
	r, ok := policy.ReadCreate(a.err)
	if !ok {
		return a.err
	}
	a.known.Reply = r
	a.known.OnlyCreate = intended && a.claim.CreatesSent == 1
	a.noteRetryAfter()
	a.handler.updateBreaker(a)
	if !intended {
		return nil
	}
	return a.answered(ctx, r)
}

// answered keeps what came of a create in the journal. The QR code of a payment goes into the
// result at once; its answer is kept only when its signature is wrong, for people to see.
func (a *attempt) answered(ctx context.Context, r policy.Reply) error {
	answer := qfpay.AnswerOf(a.err)
	if r == policy.Created {
		p := a.payment
		if p.Signature == "" || p.Signature == qfpay.SignatureAbsent || p.Signature == qfpay.SignatureRight {
			return nil
		}
		answer = qfpay.Answer{HTTPStatus: http.StatusOK, RespCd: p.RespCd, RespErr: p.RespErr, RespMsg: p.RespMsg, Syssn: p.Syssn, Signature: p.Signature}
	}
	if answer.HTTPStatus == 0 && answer.Cause == "" {
		return nil // throttled by our own limiter
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timing.Margin)
	defer cancel()
	err := a.handler.Journal.Answered(ctx, &a.claim, policy.NewAnswer(answer, a.issued().OutTradeNo, a.now()),
		policy.VerdictOf(r, answer.HTTPStatus != 0))
	failpoint.Hit("answer_kept")
	if r == policy.Created {
		return nil // the payment is published whatever the journal says
	}
	return err
}

// noteRetryAfter remembers how long the latest answer asks to wait.
func (a *attempt) noteRetryAfter() {
	var unanswered *qfpay.Unanswered
	if errors.As(a.err, &unanswered) {
		a.retryAfter = max(a.retryAfter, unanswered.RetryAfter)
	}
}

// journalError marks an error of the journal that passes through the client.
type journalError struct{ error }

func (e *journalError) Unwrap() error { return e.error }

// query asks QFPay about the current number, in the months in which QFPay may have stored it. A
// query changes nothing, so one that got no answer is repeated while the attempt has time for
// it.
func (a *attempt) query(ctx context.Context) error {
	o := a.issued()
	sent := a.claim.FirstSentAt
	if sent.IsZero() { // the journal always has it; without it, the order's whole life
		sent = a.claim.AcceptedAt
	}
	months := qfpay.MonthsAround(sent, a.now())
	var inWindow time.Time
	if a.handler.UniqueNumbers { // else the number may have further rows elsewhere
		inWindow = a.claim.SentAt
	}
	var rows []qfpay.Record
	a.err = retry.Do(ctx, queryBackoff(), func(ctx context.Context) error {
		answer := a.ask(ctx, o.OutTradeNo, months, inWindow)
		a.heard(answer)
		if answer.Apart {
			inWindow = time.Time{}
		}
		rows = answer.Rows
		if (answer.Apart || noAnswer(answer.Err)) && a.timeFor(ctx) {
			return retry.RetryableError(answer.Err)
		}
		return answer.Err
	})
	a.noteRetryAfter()
	a.known.Reply, a.row = policy.ReadQuery(rows, a.err, o, sent)
	if a.row.Body == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timing.Margin)
	defer cancel()
	return a.handler.Journal.Row(ctx, &a.claim, a.row.Body)
}

// heard notes an answer of the collector.
func (a *attempt) heard(answer collector.Answer) {
	a.calls++ // also where a window has shown it: what is asked next must be newer
	a.unasked = answer.Apart
}

// ask asks about one number, in one call with the other orders of the merchant that ask now. sentAt is when its
// create was sent, if a window of time around it may be asked about instead.
func (a *attempt) ask(ctx context.Context, outTradeNo string, months []qfpay.Month, sentAt time.Time) collector.Answer {
	client, limiter := a.client(ratelimit.Doubt), a.merchant.Limiter
	q := &collector.Question{OutTradeNo: outTradeNo, Months: months, SentAt: sentAt, Within: a.sightedFor(), Limiter: client.Limiter, Reserved: limiter != nil && a.session.Reserved(limiter)}
	answer := a.merchant.Collector.Ask(ctx, client, q)
	switch throttled, is := errors.AsType[*qfpay.Throttled](answer.Err); {
	case limiter == nil:
	case is && !throttled.ByGateway:
		a.session.Join(limiter.Queue(ratelimit.Doubt, a.order.Lane))
	default:
		a.session.Joined()
	}
	return answer
}

// sightedFor is how old what a window has shown of the order may be: it must be newer than every call about it, and
// an order is closed, or issued again, only by what was just shown.
func (a *attempt) sightedFor() time.Duration {
	switch f := a.facts(); {
	case a.calls > 0 || f.State == policy.StateClosing:
		return 0
	case f.Close || f.Reissue:
		return timing.JustShown
	}
	return timing.SightedFor
}

// queryBackoff spaces the tries of one query: three at most.
func queryBackoff() retry.Backoff {
	return retry.WithMaxRetries(2, retry.WithJitterPercent(30, retry.NewExponential(100*time.Millisecond)))
}

// noAnswer reports whether a call got no answer that says something, and none that asks to wait.
func noAnswer(err error) bool {
	var (
		notSent    *qfpay.NotSent
		unanswered *qfpay.Unanswered
	)
	return errors.As(err, &notSent) || errors.As(err, &unanswered) && unanswered.RetryAfter == 0
}

// closeOrder closes the order at QFPay. Once the journal has the intent, the order's QR code is
// not published any more, even if it still arrives.
func (a *attempt) closeOrder(ctx context.Context) error {
	_, a.err = a.client(ratelimit.Doubt).Close(ctx, a.issued(), func(ctx context.Context) error {
		if err := a.handler.Journal.CloseIntent(ctx, &a.claim); err != nil {
			return &journalError{err}
		}
		failpoint.Hit("close_intended")
		return nil
	})
	failpoint.Hit("closed")
	a.calls++
	var unwritten *journalError
	if errors.As(a.err, &unwritten) {
		return unwritten.error
	}
	a.known.Reply = policy.ReadClose(a.err)
	a.known.CloseSentHere = true
	_, a.closeRefused = errors.AsType[*qfpay.Refusal](a.err)
	return nil
}

// client returns the merchant's client for this attempt's calls of one class.
func (a *attempt) client(c ratelimit.Class) *qfpay.Client {
	client := *a.merchant.Client
	if a.merchant.Limiter != nil {
		client.Limiter = a.session.Limiter(a.merchant.Limiter, c, a.order.Lane)
	}
	return &client
}

// class is that of the call that an attempt begins with.
func (a *attempt) class() ratelimit.Class {
	if a.claim.State != policy.StateNew {
		return ratelimit.Doubt
	}
	return ratelimit.ClassOf(a.order.Lane)
}
