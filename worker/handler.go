package worker

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/sethvargo/go-retry"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
	pause "github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// handler answers wake-ups. It ends every one of them well, whatever became of the
// order: an order comes back because it is in due, not because asynq retries. Only
// when Redis itself fails does asynq get an error, and tries again.
type handler struct {
	journal    *journal
	producer   *tasks.Producer
	rdb        redis.UniversalClient
	keys       tasks.Keys
	merchants  atomic.Pointer[merchantSet] // an attempt keeps the counter that it began with
	times      times
	lost       LostResponse
	unique     bool
	observer   Observer
	log        *slog.Logger
	sweepTimer *sweepTimer     // of this process's sweeper
	stop       <-chan struct{} // closed when the worker stops taking orders
	pool       pool
}

// isStopping tells whether orders in hand should be put down as soon as they can be.
func (h *handler) isStopping(ctx context.Context) bool {
	return isClosed(h.stop) || ctx.Err() != nil
}

// ProcessTask implements [asynq.Handler].
func (h *handler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	if err := h.pool.enter(); err != nil {
		return err
	}
	defer h.pool.leave()
	w, err := readWakeUp(t.Payload())
	if err != nil {
		return h.deadLetter(ctx, t.Payload(), err)
	}
	w.traceparent = t.Headers()["traceparent"]
	return h.attemptError(w.id, h.wake(ctx, w))
}

// answered reports an attempt that failed because Redis did. That an order is in other
// hands is no failure.
func (h *handler) attemptError(id string, err error) error {
	if err == nil || errors.Is(err, errLost) {
		return nil
	}
	h.observer.Observe(RedisFailed{Op: "attempt"})
	h.log.LogAttrs(context.Background(), slog.LevelError, "an attempt was given up; its order comes back",
		append([]slog.Attr{slog.String("id", id), slog.Any("error", err)}, traceOf(err)...)...)
	return err
}

// wakeUp is what has an order taken in hand. A task's payload, an order as JSON, is read
// once, since in the normal course it is byte for byte what the journal has. An order that
// was called up from its line comes without one, but with a place.
type wakeUp struct {
	id          string
	payload     []byte
	order       tasks.Order
	invalid     error // why the payload is no order, although it says whose it is
	reservation *ratelimit.Reservation

	traceparent string // of a task's headers, should its order have no journal yet
}

// readWakeUp reads a payload. Its error says that nobody can tell whose order it is.
func readWakeUp(payload []byte) (wakeUp, error) {
	w := wakeUp{payload: payload}
	if w.order, w.invalid = tasks.ParseOrder(payload); w.invalid == nil {
		var err error
		w.id, err = tasks.ID(w.order.Merchant, w.order.OutTradeNo)
		return w, err
	}
	var err error
	w.id, err = identify(payload)
	return w, err
}

// accepted is the order as the journal has it.
func (w wakeUp) accepted(c claim) (tasks.Order, error) {
	if bytes.Equal(w.payload, c.order) {
		return w.order, w.invalid
	}
	return tasks.ParseOrder(c.order)
}

// identify reads whose order a payload is.
func identify(payload []byte) (string, error) {
	var o struct {
		Merchant   string `json:"merchant"`
		OutTradeNo string `json:"out_trade_no"`
	}
	if err := json.Unmarshal(payload, &o); err != nil {
		return "", fmt.Errorf("the task's payload is no order: %w", err)
	}
	return tasks.ID(o.Merchant, o.OutTradeNo)
}

// refuse puts what is no order where somebody can see it. It is not retried: it
// would never become one.
func (h *handler) deadLetter(ctx context.Context, payload []byte, why error) error {
	h.log.Warn("a task was refused", "reason", why)
	return h.rdb.XAdd(ctx, deadLetterEntry(h.keys, "", why, string(payload))).Err()
}

// wake takes the order in hand, if it is free, and works on it.
func (h *handler) wake(ctx context.Context, w wakeUp) error {
	token := rand.Text()
	c, err := h.journal.claim(ctx, w.id, token)
	if err == nil && c.status == claimNone {
		c, err = h.adopt(ctx, w, token)
	}
	if err != nil {
		return err
	}
	switch c.status {
	case claimReserved:
		return h.deadLetter(ctx, w.payload, &tasks.ConflictError{ID: w.id, State: "RESERVED"})
	case claimBusy:
		h.observer.Observe(Deferred{Reason: DeferBusy})
		return nil
	case claimOurs:
		failpoint("claimed")
		if err := h.sameContent(ctx, c, w.payload); err != nil {
			return c.traced(err)
		}
		return c.traced(h.work(ctx, c, w))
	}
	return nil
}

// dispatched claims an order that was dispatched with a reservation. When the order cannot be
// claimed, or the reservation is not needed, another call may have the slot.
func (h *handler) dispatched(ctx context.Context, o ratelimit.Dispatched) error {
	c, err := h.journal.claim(ctx, o.ID, rand.Text())
	if err != nil || c.status != claimOurs {
		o.Reservation.Cancel(ctx)
		return err
	}
	failpoint("claimed")
	return c.traced(h.work(ctx, c, wakeUp{id: o.ID, reservation: o.Reservation}))
}

// adopt accepts an order that was enqueued with asynq alone, by a producer that
// knows nothing of the journal. From here on it is an order like any other.
func (h *handler) adopt(ctx context.Context, w wakeUp, token string) (claim, error) {
	o, err := tasks.ParseOrder(w.payload)
	if err == nil {
		o = o.WithDefaults(time.Now())
		o.Traceparent = w.traceparent
		err = o.Validate()
	}
	if err == nil {
		_, err = h.producer.Accept(ctx, o)
	} else {
		err = h.producer.AcceptInvalid(ctx, w.id, w.payload, w.traceparent)
	}
	var conflict *tasks.ConflictError // somebody else accepted it meanwhile
	if err != nil && !errors.As(err, &conflict) {
		return claim{}, err
	}
	failpoint("adopted")
	return h.journal.claim(ctx, w.id, token)
}

// sameContent reports a plain task whose order has the number of another one. The
// order that was accepted first goes on; a wake-up of the worker's own always fits.
func (h *handler) sameContent(ctx context.Context, c claim, payload []byte) error {
	if bytes.Equal(payload, c.order) {
		return nil
	}
	given, err := tasks.ParseOrder(payload)
	accepted, err2 := tasks.ParseOrder(c.order)
	if err == nil && err2 == nil && given.Fingerprint() == accepted.Fingerprint() {
		return nil
	}
	return h.deadLetter(ctx, payload, &tasks.ConflictError{ID: c.id})
}

// work makes one attempt at an order in hand, and writes down how it ended.
func (h *handler) work(ctx context.Context, c claim, w wakeUp) error {
	a := &attempt{handler: h, claim: c, session: ratelimit.NewSession(w.reservation), began: time.Now()}
	defer func() { a.session.Close(ctx) }()
	var invalid error
	if a.order, invalid = w.accepted(c); invalid == nil {
		invalid = a.order.Validate()
	}
	if invalid != nil {
		return h.reject(ctx, a, invalid)
	}
	h.observer.Observe(InFlight{Lane: a.order.Lane, Delta: +1})
	defer h.observer.Observe(InFlight{Lane: a.order.Lane, Delta: -1})
	if c.attempts == 1 {
		h.observer.Observe(Started{Lane: a.order.Lane, Waited: c.claimedAt.Sub(c.acceptedAt)})
	}
	merchants := h.merchants.Load()
	if a.merchant = merchants.byName[a.order.Merchant]; a.merchant == nil {
		return h.unknownMerchant(ctx, a)
	}
	if held := a.merchant.breaker.admit(time.Now(), h.times.lease); held > 0 && c.state == stateNew && !a.facts().pastDeadline {
		return h.deferOrder(ctx, a, step{do: wait, why: DeferHeld}, min(held, spread(h.times.held)))
	}
	defer a.merchant.inFlight.Add(-1)
	if a.merchant.inFlight.Add(1) > merchants.perMerchantLimit && !a.facts().pastDeadline {
		return h.overMerchantLimit(ctx, a)
	}
	s, err := a.run(ctx)
	if err != nil {
		return err
	}
	return h.finish(ctx, a, s)
}

// crowded: so many of the merchant's orders are in hand already that another would take
// the room of other merchants' orders: its gateway is slow. It waits in line, or without
// one for a moment.
func (h *handler) overMerchantLimit(ctx context.Context, a *attempt) error {
	s := step{do: wait, why: DeferMerchantLimit}
	if a.merchant.limiter == nil {
		return h.deferOrder(ctx, a, s, spread(merchantLimitPause))
	}
	length, err := a.merchant.limiter.QueueLength(ctx, a.class())
	if err != nil {
		return err
	}
	a.session.Join(a.merchant.limiter.Queue(a.class()))
	return h.deferOrder(ctx, a, s, inLine(length))
}

const merchantLimitPause = time.Second

// finish writes down how an attempt ended. What the gateway did must be written
// even when the task's own time is up, so it has time of its own.
func (h *handler) finish(ctx context.Context, a *attempt, s step) error {
	h.updateBreaker(a)
	if s.do == settle {
		return h.publish(ctx, a, a.result(s))
	}
	delay := h.delay(ctx, a, &s)
	return h.deferOrder(ctx, a, s, delay)
}

// publish settles the order. A repetition publishes nothing twice, so it is tried
// until it is done.
func (h *handler) publish(ctx context.Context, a *attempt, r tasks.Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var published bool
	err := retry.Do(ctx, pause.Backoff(), func(ctx context.Context) error {
		written, err := h.journal.settle(ctx, &a.claim, r)
		if err == nil || written || errors.Is(err, errLost) {
			published = written // else it is as it was before
		}
		if err != nil && !errors.Is(err, errLost) {
			h.observer.Observe(RedisFailed{Op: settleOp(err)})
			return retry.RetryableError(err)
		}
		return err
	})
	if published && err != nil {
		a.reportUnconfirmed(r, err)
		err = nil
	}
	failpoint("settled")
	a.report(r, published, err)
	if published {
		h.observer.Observe(Settled{Merchant: r.Merchant, PayType: a.order.PayType, Lane: a.order.Lane,
			Outcome: tasks.Outcome(r.Outcome), Took: a.now().Sub(a.claim.acceptedAt),
			DeferredFor: a.claim.deferredFor})
	}
	return err
}

// putDown releases the order. If that fails, the order is due when its lease ends.
func (h *handler) deferOrder(ctx context.Context, a *attempt, s step, delay time.Duration) error {
	delay = a.beforeDeadline(delay)
	in := a.session.Queue()
	if s.why != DeferQuota && s.why != DeferMerchantLimit {
		in = nil
	}
	if ctx.Err() != nil {
		s.why, delay, in = DeferShutdown, 0, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.times.call)
	defer cancel()
	h.observer.Observe(Deferred{Reason: s.why, For: delay})
	a.logDeferred(s, delay)
	defer failpoint("released")
	soon := delay
	if in != nil {
		soon = 0 // somebody must look at the line
	}
	defer h.sweepTimer.orderDue(soon)
	return h.journal.release(ctx, &a.claim, delay, s.do == waitNotFound, s.why, in)
}

// unknownMerchant: the order names a merchant this process does not have. Another
// may have it, or it is about to be configured, so the order waits; after its
// deadline it has expired, since nothing was ever sent for it.
func (h *handler) unknownMerchant(ctx context.Context, a *attempt) error {
	h.log.LogAttrs(context.Background(), slog.LevelError, "no such merchant here; the order waits", append([]slog.Attr{
		slog.String("merchant", a.order.Merchant), slog.String("out_trade_no", a.order.OutTradeNo),
		slog.String("hint", "add it to QFPAY_MERCHANTS_FILE, or correct the producer")}, a.claim.trace()...)...)
	if a.facts().pastDeadline && a.claim.state == stateNew {
		return h.publish(ctx, a, a.result(settled(tasks.Expired, "no worker knows its merchant")))
	}
	return h.deferOrder(ctx, a, step{do: wait, why: DeferUnknown}, spread(h.times.held))
}

// reject settles an order that validation refuses: one enqueued with asynq alone,
// since every other way in validates first. Nothing was sent for it.
func (h *handler) reject(ctx context.Context, a *attempt, why error) error {
	a.order.Lane = tasks.Bulk
	if a.claim.state != stateNew {
		return fmt.Errorf("the journal of %s holds an order that is not valid, though one was sent: %w", a.claim.id, why)
	}
	return h.publish(ctx, a, invalidResult(a.claim, a.order.Merchant, a.order.OutTradeNo, why, a.now()))
}
