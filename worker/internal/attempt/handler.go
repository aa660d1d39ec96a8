// Package attempt makes one attempt at one claimed order: it asks the policy, calls the gateway, writes
// the answers into the journal, and settles the order or defers it. It also closes published orders
// that somebody has asked to cancel.
//
// It never decides by itself what an answer means, never works on an order that it has no claim to, and
// looks for no order: the worker's handler and dispatcher bring them. Start reading at [Handler.Work].
package attempt

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sethvargo/go-retry"

	"github.com/qfpay-worker/qfpay-worker/internal/seldom"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/failpoint"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/fleet"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/lately"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/merchants"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/roundtimer"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/streams"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
	"github.com/qfpay-worker/qfpay-worker/worker/payments"
)

// Handler handles claimed orders, with an attempt at each. It is what all attempts of a process share.
type Handler struct {
	Journal       *journal.Journal
	Merchants     *merchants.Merchants // an attempt keeps the state that it began with
	Fleet         *fleet.Fleet
	Times         timing.Times
	Lost          policy.LostResponse
	UniqueNumbers bool // QFPay is trusted to refuse a repeated out_trade_no
	GoodsName     tasks.GoodsName
	NotifyURL     string // of orders that have none, before /MERCHANT; empty: they have none
	Observer      event.Observer
	Log           *slog.Logger
	Refused       *seldom.Teller    // payloads that are not orders
	Timer         *roundtimer.Timer // of this process's dispatcher
	Stop          <-chan struct{}   // closed when the worker stops taking orders
	Payments      *payments.Book    // nil: published codes are not followed

	unknown lately.Texts // merchants that were logged as unknown
}

// Work makes one attempt at a claimed order, and writes down how it ended.
func (h *Handler) Work(ctx context.Context, c journal.Claim, w WakeUp) error {
	failpoint.Hit("claimed")
	return traced(&c, h.work(ctx, c, w))
}

func (h *Handler) work(ctx context.Context, c journal.Claim, w WakeUp) error {
	a := &attempt{handler: h, claim: c, session: ratelimit.NewSession(w.Reservation), began: time.Now()}
	defer func() { a.session.Close(ctx) }()
	var invalid error
	if a.order, invalid = w.accepted(c); invalid == nil {
		invalid = a.order.Validate()
	}
	a.claim.PayType = string(a.order.PayType)
	if err := c.Intact(a.order, invalid); err != nil {
		return err
	}
	if err := h.sameContent(ctx, c, w); err != nil {
		return err
	}
	if invalid == nil && c.CreatesSent == 0 && c.Reissues == 0 {
		invalid = h.GoodsName.Check(a.order)
	}
	if invalid != nil {
		return h.reject(ctx, a, invalid)
	}
	h.Observer.Observe(event.InFlight{Lane: a.order.Lane, Delta: +1})
	defer h.Observer.Observe(event.InFlight{Lane: a.order.Lane, Delta: -1})
	if c.Attempts == 1 {
		h.Observer.Observe(event.Started{Lane: a.order.Lane, Waited: c.ClaimedAt.Sub(a.waitsSince())})
	}
	set := h.Merchants.Load()
	if a.merchant = set.ByName[a.order.Merchant]; a.merchant == nil {
		return h.unknownMerchant(ctx, a)
	}
	if held := h.held(a); held > 0 {
		return h.deferOrder(ctx, a, policy.Step{Do: policy.Wait, Why: event.DeferHeld}, held)
	}
	inFlight := a.merchant.InFlight[a.order.Lane]
	defer inFlight.Add(-1)
	if inFlight.Add(1) > set.PerMerchantLimit && !a.facts().PastDeadline && !c.Cancelled {
		return h.overMerchantLimit(ctx, a)
	}
	s, err := a.run(ctx)
	if err != nil {
		return err
	}
	return h.finish(ctx, a, s)
}

// overMerchantLimit defers an order because so many of its merchant and lane are in flight that
// another would take the room of other merchants' orders: the merchant's gateway is slow. The
// order joins the wait queue, or waits for a moment where its merchant has no limits.
func (h *Handler) overMerchantLimit(ctx context.Context, a *attempt) error {
	s := policy.Step{Do: policy.Wait, Why: event.DeferMerchantLimit}
	if a.merchant.Limiter == nil {
		return h.deferOrder(ctx, a, s, wait.Jitter(timing.MerchantLimitPause))
	}
	queue := a.merchant.Limiter.Queue(a.class(), a.order.Lane)
	length, err := a.merchant.Limiter.QueueLength(ctx, queue)
	if err != nil {
		return err
	}
	a.session.Join(queue)
	return h.deferOrder(ctx, a, s, whenQueued(length))
}

// finish writes down how an attempt ended. The journal must have what the gateway did even when
// the task's own time is up, so finish has time of its own.
func (h *Handler) finish(ctx context.Context, a *attempt, s policy.Step) error {
	if s.Do == policy.Settle {
		return h.publish(ctx, a, a.result(s))
	}
	delay := h.delay(ctx, a, &s)
	return h.deferOrder(ctx, a, s, delay)
}

// publish settles the order. It repeats settle until Redis has it, since a repetition publishes
// nothing twice.
func (h *Handler) publish(ctx context.Context, a *attempt, r tasks.Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timing.SettleTimeout)
	defer cancel()
	var published bool
	err := retry.Do(ctx, wait.Backoff(), func(ctx context.Context) error {
		written, err := h.Journal.Settle(ctx, &a.claim, r)
		if err == nil || written || errors.Is(err, journal.ErrLost) {
			published = written // else it is as it was before
		}
		if err != nil && !errors.Is(err, journal.ErrLost) {
			h.Observer.Observe(event.RedisFailed{Op: settleOp(err)})
			return retry.RetryableError(err)
		}
		return err
	})
	if published && err != nil {
		a.reportUnconfirmed(r, err)
		err = nil
	}
	failpoint.Hit("settled")
	a.report(r, published, err)
	if published {
		h.Observer.Observe(event.Settled{Merchant: r.Merchant, PayType: a.order.PayType, Lane: a.order.Lane,
			Outcome: tasks.Outcome(r.Outcome), Took: a.now().Sub(a.waitsSince()),
			DeferredFor: a.claim.DeferredFor})
	}
	return err
}

// deferOrder releases the order until delay has passed. If that fails, the order is due when its
// lease ends.
func (h *Handler) deferOrder(ctx context.Context, a *attempt, s policy.Step, delay time.Duration) error {
	delay = a.beforeDeadline(delay)
	in := a.session.Queue()
	if s.Why != event.DeferQuota && s.Why != event.DeferMerchantLimit {
		in = nil
	}
	if ctx.Err() != nil {
		s.Why, delay, in = event.DeferShutdown, 0, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Times.Call)
	defer cancel()
	h.Observer.Observe(event.Deferred{Reason: s.Why, For: delay})
	a.logDeferred(s, delay)
	defer failpoint.Hit("released")
	soon := delay
	if in != nil {
		soon = 0 // a dispatcher must look at the wait queue
	}
	defer h.Timer.OrderDue(soon)
	return h.Journal.Release(ctx, &a.claim, delay, s.Do == policy.WaitNotFound, s.Why, (*journal.WaitQueue)(in))
}

// unknownMerchant handles an order of a merchant that this process does not have: it hands it on to
// one that does. Where no running worker does, one may be about to start, and the order waits. After
// its deadline it has expired, since no create was ever sent for it.
func (h *Handler) unknownMerchant(ctx context.Context, a *attempt) error {
	switch elsewhere, err := h.Fleet.Has(ctx, a.order.Merchant); {
	case err != nil:
		return err
	case elsewhere:
		return h.deferOrder(ctx, a, policy.Step{Do: policy.Wait, Why: event.DeferElsewhere}, 0)
	}
	if !h.unknown.Repeats(a.order.Merchant) {
		h.Log.LogAttrs(context.Background(), slog.LevelError, "no running worker has this merchant; its orders wait", append([]slog.Attr{
			slog.String("merchant", a.order.Merchant), slog.String("out_trade_no", a.order.OutTradeNo),
			slog.String("hint", "add it to QFPAY_MERCHANTS_FILE, or correct the producer; it is logged once a minute")}, traceAttrs(&a.claim)...)...)
	}
	switch f := a.facts(); {
	case a.claim.State != policy.StateNew:
	case f.Cancel:
		return h.publish(ctx, a, a.result(policy.Settled(tasks.Cancelled, policy.ReasonCancelled)))
	case f.PastDeadline:
		return h.publish(ctx, a, a.result(policy.Settled(tasks.Expired, "no worker knows its merchant")))
	}
	return h.deferOrder(ctx, a, policy.Step{Do: policy.Wait, Why: event.DeferUnknown}, wait.Jitter(h.Times.Held))
}

// reject settles an order that is not valid: one that was enqueued with asynq alone, since every
// other entry point validates first. No create was sent for it.
func (h *Handler) reject(ctx context.Context, a *attempt, why error) error {
	a.order.Lane = tasks.Bulk
	if a.claim.State != policy.StateNew {
		return a.claim.Damaged("it holds an order that is not valid, though one was sent: " + why.Error())
	}
	return h.publish(ctx, a, invalidResult(a.claim, a.order.Merchant, a.order.OutTradeNo, why, a.now()))
}

// sameContent reports a task of a plain asynq producer whose order has the number of another
// order. The order that was accepted first goes on.
func (h *Handler) sameContent(ctx context.Context, c journal.Claim, w WakeUp) error {
	if w.Payload == nil || bytes.Equal(w.Payload, c.Order) {
		return nil
	}
	given, err := tasks.ParseOrder(w.Payload)
	accepted, err2 := tasks.ParseOrder(c.Order)
	if err == nil && err2 == nil && given.Fingerprint() == accepted.Fingerprint() {
		return nil
	}
	return h.DeadLetter(ctx, w.Payload, &tasks.ConflictError{ID: c.ID})
}

// DeadLetter writes a payload that is not an order, and the reason, to the stream of rejected
// orders, where people can see it. It is not retried: it would never become an order.
func (h *Handler) DeadLetter(ctx context.Context, payload []byte, why error) error {
	h.Refused.Note("reason", why)
	return h.Journal.Redis.XAdd(ctx, streams.DeadLetter(h.Journal.Keys, "", why, string(payload))).Err()
}

// isStopping reports whether orders in flight should be deferred as soon as they can be.
func (h *Handler) isStopping(ctx context.Context) bool {
	return wait.Closed(h.Stop) || ctx.Err() != nil
}
