package worker

import (
	"context"
	"errors"
	"time"

	"github.com/sethvargo/go-retry"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
)

// attempt is one run at one order: what is known of it, and the calls made. It
// acts on what the policy decides and decides nothing itself.
type attempt struct {
	handler  *handler
	merchant *merchantState
	claim    claim
	order    tasks.Order
	known    facts
	began    time.Time
	session  *ratelimit.Session // of the merchant's limits

	// What the latest answers were; they end in the result and in the log line.
	payment qfpay.Payment
	row     qfpay.Record
	err     error
	calls   int
}

// run turns until the order has a result or must wait. Where a slow gateway has left no time
// for the next call, the order is taken in hand anew: put down, it would begin with the same
// enquiry again, and never come further.
func (a *attempt) run(ctx context.Context) (step, error) {
	for renewals := 0; ; renewals++ {
		s, outOfTime, err := a.turn(ctx)
		if err != nil || !outOfTime || renewals == maxRenewals || a.handler.isStopping(ctx) {
			return s, err
		}
		if err := a.handler.journal.renew(ctx, &a.claim); err != nil {
			return step{}, err
		}
	}
}

// turn turns while there is time for another call: each has to end before the lease does.
func (a *attempt) turn(ctx context.Context) (s step, outOfTime bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.handler.times.attempt)
	defer cancel()
	for {
		s := next(a.facts())
		switch {
		case s.do == settle || s.do == wait || s.do == waitNotFound:
			return s, false, nil
		case s.calls() && !a.timeFor(ctx):
			return step{do: wait, why: DeferDoubt}, true, nil
		}
		if err := a.act(ctx, s.do); err != nil {
			return step{}, false, err
		}
	}
}

// mostRenewals bounds how long one attempt has an order in hand, and with it room in the
// worker: an enquiry, a close, and a second way to close.
const maxRenewals = 2

// calls tells whether a step makes a call to the gateway.
func (s step) calls() bool { return s.do == create || s.do == query || s.do == closeOrder }

// timeFor tells whether a call can end before the attempt does.
func (a *attempt) timeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) >= a.handler.times.call)
}

// look completes the facts with what the claim and the clock say.
func (a *attempt) facts() facts {
	h, c, f := a.handler, &a.claim, &a.known
	now := a.now()
	f.state = c.state
	f.createMayLand = !c.sentAt.IsZero() && now.Sub(c.sentAt) < h.times.landingTime
	f.notFoundBefore = c.notFound > 0
	f.pastDeadline = now.After(a.order.Deadline)
	f.pastDoubtTimeout = now.After(a.order.Deadline.Add(doubtTimeout))
	f.close = h.lost.mayClose(a.order.PayType, h.unique)
	f.reissue = h.lost.mayReissue(a.order.PayType, h.unique, c.reissues)
	f.resend = h.unique && c.createsSent < maxCreates
	f.unique = h.unique
	return *f
}

// mostSends bounds how often a create is sent under one number: a gateway that
// calls a number a duplicate and then does not find it would be asked for ever.
const maxCreates = 4

// now is the time on Redis's clock: the one the journal was written by.
func (a *attempt) now() time.Time { return a.claim.claimedAt.Add(time.Since(a.began)) }

// issued is the order under the number it goes by now.
func (a *attempt) issued() qfpay.Order {
	o := a.order.Order
	o.OutTradeNo = issuedAs(o.OutTradeNo, a.claim.reissues)
	return o
}

func (a *attempt) act(ctx context.Context, do action) error {
	switch do {
	case create:
		return a.create(ctx)
	case retract:
		defer failpoint("retracted")
		return a.handler.journal.retract(ctx, &a.claim)
	case query:
		a.query(ctx)
	case closeOrder:
		return a.closeOrder(ctx)
	case reissue:
		if err := a.handler.journal.reissue(ctx, &a.claim); err != nil {
			return err
		}
		failpoint("reissued")
		a.handler.observer.Observe(Reissued{Merchant: a.order.Merchant})
		a.known = facts{}
	}
	return nil
}

// submit creates the order. The intent is written after the permit was issued and before
// the first byte leaves, so that waiting costs no doubt. Sent again under the same number, it
// follows on the enquiries that allow it, and goes before the line as these do.
func (a *attempt) create(ctx context.Context) error {
	intended := false
	a.payment, a.err = a.client(a.class()).CreatePayment(ctx, a.issued(), func(ctx context.Context) error {
		if err := a.handler.journal.intent(ctx, &a.claim); err != nil {
			return &journalError{err}
		}
		intended = true
		a.claim.sentAt = a.now()
		if a.claim.firstSentAt.IsZero() {
			a.claim.firstSentAt = a.claim.sentAt
		}
		failpoint("intended")
		return nil
	})
	failpoint("answered")
	a.calls++
	var unwritten *journalError
	switch {
	case errors.Is(a.err, errTaken):
		a.known, a.err = facts{}, nil // nothing left; on under the next number
		return nil
	case errors.As(a.err, &unwritten):
		return unwritten.error
	}
	r, ok := readCreate(a.err)
	if !ok {
		return a.err
	}
	a.known.reply = r
	a.known.onlyCreate = intended && a.claim.createsSent == 1
	return nil
}

// journalError marks an error of the journal on its way through the client.
type journalError struct{ error }

func (e *journalError) Unwrap() error { return e.error }

// enquire asks what became of the number. The months are those in which QFPay may
// have stored it. An enquiry changes nothing, so one that is lost on the way is made
// again while the attempt has time for it.
func (a *attempt) query(ctx context.Context) {
	o := a.issued()
	sent := a.claim.firstSentAt
	if sent.IsZero() { // the journal always has it; without it, the order's whole life
		sent = a.claim.acceptedAt
	}
	months := qfpay.MonthsAround(sent, a.now())
	var rows []qfpay.Record
	a.err = retry.Do(ctx, queryBackoff(), func(ctx context.Context) error {
		var err error
		rows, err = a.client(ratelimit.Doubt).Query(ctx, []string{o.OutTradeNo}, months)
		a.calls++
		if noAnswer(err) && a.timeFor(ctx) {
			return retry.RetryableError(err)
		}
		return err
	})
	a.known.reply, a.row = readQuery(rows, a.err, o, sent)
}

// enquiries spaces the tries of one enquiry: three at most.
func queryBackoff() retry.Backoff {
	return retry.WithMaxRetries(2, retry.WithJitterPercent(30, retry.NewExponential(100*time.Millisecond)))
}

// lostOnTheWay tells whether a call got no answer, and not one that says no.
func noAnswer(err error) bool {
	var (
		notSent    *qfpay.NotSent
		unanswered *qfpay.Unanswered
	)
	return errors.As(err, &notSent) || errors.As(err, &unanswered)
}

// void closes the order at QFPay. From the moment the journal says so, its QR code
// is not published any more, should it still turn up.
func (a *attempt) closeOrder(ctx context.Context) error {
	_, a.err = a.client(ratelimit.Doubt).Close(ctx, a.issued(), func(ctx context.Context) error {
		if err := a.handler.journal.closeIntent(ctx, &a.claim); err != nil {
			return &journalError{err}
		}
		failpoint("close_intended")
		return nil
	})
	failpoint("closed")
	a.calls++
	var unwritten *journalError
	if errors.As(a.err, &unwritten) {
		return unwritten.error
	}
	a.known.reply = readClose(a.err)
	a.known.closeSentHere = true
	return nil
}

// client returns the merchant's client for this attempt's calls of one class.
func (a *attempt) client(c ratelimit.Class) *qfpay.Client {
	client := *a.merchant.client
	if a.merchant.limiter != nil {
		client.Limiter = a.session.Limiter(a.merchant.limiter, c)
	}
	return &client
}

// class is that of the call that an attempt begins with.
func (a *attempt) class() ratelimit.Class {
	if a.claim.state != stateNew {
		return ratelimit.Doubt
	}
	return ratelimit.ClassOf(a.order.Lane)
}
