package worker

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/sethvargo/go-retry"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/failpoint"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/fleet"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/lately"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/merchants"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/pool"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/roundtimer"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/streams"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
	"github.com/qfpay-worker/qfpay-worker/worker/payments"
)

// handler handles wake-ups. Every wake-up ends without an error, whatever happened to the order:
// an order is tried again because it is in due, not because asynq retries. Only when Redis
// itself fails does asynq get an error, and retries.
type handler struct {
	journal   *journal.Journal
	producer  *tasks.Producer
	rdb       redis.UniversalClient
	keys      tasks.Keys
	merchants *merchants.Merchants // an attempt keeps the state that it began with
	fleet     *fleet.Fleet
	unknown   lately.Texts // merchants that were logged as unknown
	times     timing.Times
	lost      LostResponse
	unique    bool
	goodsName tasks.GoodsName
	notifyURL string // see Config
	observer  event.Observer
	log       *slog.Logger
	timer     *roundtimer.Timer // of this process's dispatcher
	stop      <-chan struct{}   // closed when the worker stops taking orders
	pool      pool.Pool
	payments  *payments.Book // nil: published codes are not followed
}

// isStopping reports whether orders in flight should be deferred as soon as they can be.
func (h *handler) isStopping(ctx context.Context) bool {
	return wait.Closed(h.stop) || ctx.Err() != nil
}

// lane returns asynq's handler for the queue of a lane.
func (h *handler) lane(l tasks.Lane) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		if err := h.pool.Enter(l); err != nil {
			return err
		}
		defer h.pool.Leave(l)
		return h.processTask(ctx, t)
	})
}

// processTask handles one wake-up.
func (h *handler) processTask(ctx context.Context, t *asynq.Task) error {
	w, err := readWakeUp(t.Payload())
	if err != nil {
		return h.deadLetter(ctx, t.Payload(), err)
	}
	w.traceparent = t.Headers()["traceparent"]
	return h.attemptError(w.id, h.wake(ctx, w))
}

// attemptError reports an attempt that failed because Redis did, and returns the error. That
// another attempt has the order is not a failure.
func (h *handler) attemptError(id string, err error) error {
	if err == nil || errors.Is(err, journal.ErrLost) {
		return nil
	}
	if damaged, is := errors.AsType[*journal.DamagedError](err); is {
		return h.setAside(damaged, traceOf(err))
	}
	h.observer.Observe(event.RedisFailed{Op: "attempt"})
	h.log.LogAttrs(context.Background(), slog.LevelError, "an attempt was given up; its order comes back",
		append([]slog.Attr{slog.String("id", id), slog.Any("error", err)}, traceOf(err)...)...)
	return err
}

// setAside takes an order with a damaged journal out of the workers' hands. It returns an error of
// Redis.
func (h *handler) setAside(e *journal.DamagedError, trace []slog.Attr) error {
	ctx, cancel := context.WithTimeout(context.Background(), h.times.Call)
	defer cancel()
	aside, err := h.journal.SetAside(ctx, e)
	if aside {
		h.log.LogAttrs(ctx, slog.LevelError, "an order was put aside: its journal is damaged, and nothing of it is sent",
			append([]slog.Attr{slog.String("id", e.ID), slog.String("problem", e.Problem),
				slog.String("hint", "mend its journal, then qfpay-worker order retry; docs/runbook.md, QfpayOrdersDamaged")}, trace...)...)
	}
	if err != nil {
		h.observer.Observe(event.RedisFailed{Op: "attempt"})
	}
	return err
}

// wakeUp names the order to claim. A task's payload, the order as JSON, is parsed once, since as
// a rule it is byte for byte what the journal has. A dispatched order has no payload.
type wakeUp struct {
	id          string
	payload     []byte
	order       tasks.Order
	invalid     error                  // why the payload is not a valid order, although it names one
	reservation *ratelimit.Reservation // of an order that was dispatched from a wait queue

	traceparent string // from the task's headers, for an order that has no journal yet
}

// readWakeUp reads a payload. It returns an error when the payload does not name an order.
func readWakeUp(payload []byte) (wakeUp, error) {
	w := wakeUp{payload: payload}
	if w.order, w.invalid = tasks.ParseOrder(payload); w.invalid == nil {
		var err error
		w.id, err = tasks.ID(w.order.Merchant, w.order.OutTradeNo)
		return w, err
	}
	if errors.Is(w.invalid, tasks.ErrOrderTooLong) { // a journal would keep it for a month
		return w, fmt.Errorf("%w; this payload has %d", w.invalid, len(payload))
	}
	var err error
	w.id, err = identify(payload)
	return w, err
}

// accepted returns the order as the journal has it.
func (w wakeUp) accepted(c journal.Claim) (tasks.Order, error) {
	if bytes.Equal(w.payload, c.Order) {
		return w.order, w.invalid
	}
	return tasks.ParseOrder(c.Order)
}

// identify returns the ID of the order that a payload names.
func identify(payload []byte) (string, error) {
	var o struct {
		Merchant   string `json:"merchant"`
		OutTradeNo string `json:"out_trade_no"`
	}
	if err := json.Unmarshal(payload, &o); err != nil {
		return "", fmt.Errorf("the task's payload is not an order: %w", err)
	}
	return tasks.ID(o.Merchant, o.OutTradeNo)
}

// deadLetter writes a payload that is not an order, and the reason, to the stream of rejected
// orders, where people can see it. It is not retried: it would never become an order.
func (h *handler) deadLetter(ctx context.Context, payload []byte, why error) error {
	h.log.Warn("a task was refused", "reason", why)
	return h.rdb.XAdd(ctx, streams.DeadLetter(h.keys, "", why, string(payload))).Err()
}

// wake claims the order, unless another attempt has it, and works on it.
func (h *handler) wake(ctx context.Context, w wakeUp) error {
	token := rand.Text()
	c, err := h.journal.Claim(ctx, w.id, token)
	if err == nil && c.Status == journal.ClaimNone {
		c, err = h.adopt(ctx, w, token)
	}
	if err != nil {
		return err
	}
	switch c.Status {
	case journal.ClaimReserved:
		return h.deadLetter(ctx, w.payload, &tasks.ConflictError{ID: w.id, State: "RESERVED"})
	case journal.ClaimBusy:
		h.observer.Observe(event.Deferred{Reason: event.DeferBusy})
		return nil
	case journal.ClaimEarly:
		h.timer.OrderDue(c.Early)
	case journal.ClaimOurs:
		failpoint.Hit("claimed")
		return traced(&c, h.work(ctx, c, w))
	}
	return nil
}

// due works on an order that was due, and that the dispatcher has claimed.
func (h *handler) due(ctx context.Context, c journal.Claim) error {
	failpoint.Hit("claimed")
	return traced(&c, h.work(ctx, c, wakeUp{id: c.ID}))
}

// dispatched claims an order that was dispatched with a reservation. When the order cannot be
// claimed, or the reservation is not needed, another call may have the slot.
func (h *handler) dispatched(ctx context.Context, o ratelimit.Dispatched) error {
	c, err := h.journal.Claim(ctx, o.ID, rand.Text())
	if err != nil || c.Status != journal.ClaimOurs {
		o.Reservation.Cancel(ctx)
		return err
	}
	failpoint.Hit("claimed")
	return traced(&c, h.work(ctx, c, wakeUp{id: o.ID, reservation: o.Reservation}))
}

// adopt accepts an order that was enqueued with asynq alone, by a producer that does not write
// journals. From here on it is an order like any other.
func (h *handler) adopt(ctx context.Context, w wakeUp, token string) (journal.Claim, error) {
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
	var conflict *tasks.ConflictError // another process accepted it meanwhile
	if err != nil && !errors.As(err, &conflict) {
		return journal.Claim{}, err
	}
	failpoint.Hit("adopted")
	return h.journal.Claim(ctx, w.id, token)
}

// sameContent reports a task of a plain asynq producer whose order has the number of another
// order. The order that was accepted first goes on.
func (h *handler) sameContent(ctx context.Context, c journal.Claim, w wakeUp) error {
	if w.payload == nil || bytes.Equal(w.payload, c.Order) {
		return nil
	}
	given, err := tasks.ParseOrder(w.payload)
	accepted, err2 := tasks.ParseOrder(c.Order)
	if err == nil && err2 == nil && given.Fingerprint() == accepted.Fingerprint() {
		return nil
	}
	return h.deadLetter(ctx, w.payload, &tasks.ConflictError{ID: c.ID})
}

// work makes one attempt at a claimed order, and writes down how it ended.
func (h *handler) work(ctx context.Context, c journal.Claim, w wakeUp) error {
	a := &attempt{handler: h, claim: c, session: ratelimit.NewSession(w.reservation), began: time.Now()}
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
		invalid = h.goodsName.Check(a.order)
	}
	if invalid != nil {
		return h.reject(ctx, a, invalid)
	}
	h.observer.Observe(event.InFlight{Lane: a.order.Lane, Delta: +1})
	defer h.observer.Observe(event.InFlight{Lane: a.order.Lane, Delta: -1})
	if c.Attempts == 1 {
		h.observer.Observe(event.Started{Lane: a.order.Lane, Waited: c.ClaimedAt.Sub(a.waitsSince())})
	}
	set := h.merchants.Load()
	if a.merchant = set.ByName[a.order.Merchant]; a.merchant == nil {
		return h.unknownMerchant(ctx, a)
	}
	if held := h.held(a); held > 0 {
		return h.deferOrder(ctx, a, policy.Step{Do: policy.Wait, Why: event.DeferHeld}, held)
	}
	defer a.merchant.InFlight.Add(-1)
	if a.merchant.InFlight.Add(1) > set.PerMerchantLimit && !a.facts().PastDeadline && !c.Cancelled {
		return h.overMerchantLimit(ctx, a)
	}
	s, err := a.run(ctx)
	if err != nil {
		return err
	}
	return h.finish(ctx, a, s)
}

// overMerchantLimit defers an order because so many orders of its merchant are in flight that
// another would take the room of other merchants' orders: the merchant's gateway is slow. The
// order joins the wait queue, or waits for a moment where its merchant has no limits.
func (h *handler) overMerchantLimit(ctx context.Context, a *attempt) error {
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
func (h *handler) finish(ctx context.Context, a *attempt, s policy.Step) error {
	if s.Do == policy.Settle {
		return h.publish(ctx, a, a.result(s))
	}
	delay := h.delay(ctx, a, &s)
	return h.deferOrder(ctx, a, s, delay)
}

// publish settles the order. It repeats settle until Redis has it, since a repetition publishes
// nothing twice.
func (h *handler) publish(ctx context.Context, a *attempt, r tasks.Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timing.SettleTimeout)
	defer cancel()
	var published bool
	err := retry.Do(ctx, wait.Backoff(), func(ctx context.Context) error {
		written, err := h.journal.Settle(ctx, &a.claim, r)
		if err == nil || written || errors.Is(err, journal.ErrLost) {
			published = written // else it is as it was before
		}
		if err != nil && !errors.Is(err, journal.ErrLost) {
			h.observer.Observe(event.RedisFailed{Op: settleOp(err)})
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
		h.observer.Observe(event.Settled{Merchant: r.Merchant, PayType: a.order.PayType, Lane: a.order.Lane,
			Outcome: tasks.Outcome(r.Outcome), Took: a.now().Sub(a.waitsSince()),
			DeferredFor: a.claim.DeferredFor})
	}
	return err
}

// deferOrder releases the order until delay has passed. If that fails, the order is due when its
// lease ends.
func (h *handler) deferOrder(ctx context.Context, a *attempt, s policy.Step, delay time.Duration) error {
	delay = a.beforeDeadline(delay)
	in := a.session.Queue()
	if s.Why != event.DeferQuota && s.Why != event.DeferMerchantLimit {
		in = nil
	}
	if ctx.Err() != nil {
		s.Why, delay, in = event.DeferShutdown, 0, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.times.Call)
	defer cancel()
	h.observer.Observe(event.Deferred{Reason: s.Why, For: delay})
	a.logDeferred(s, delay)
	defer failpoint.Hit("released")
	soon := delay
	if in != nil {
		soon = 0 // a dispatcher must look at the wait queue
	}
	defer h.timer.OrderDue(soon)
	return h.journal.Release(ctx, &a.claim, delay, s.Do == policy.WaitNotFound, s.Why, (*journal.WaitQueue)(in))
}

// unknownMerchant handles an order of a merchant that this process does not have: it hands it on to
// one that does. Where no running worker does, one may be about to start, and the order waits. After
// its deadline it has expired, since no create was ever sent for it.
func (h *handler) unknownMerchant(ctx context.Context, a *attempt) error {
	switch elsewhere, err := h.fleet.Has(ctx, a.order.Merchant); {
	case err != nil:
		return err
	case elsewhere:
		return h.deferOrder(ctx, a, policy.Step{Do: policy.Wait, Why: event.DeferElsewhere}, 0)
	}
	if !h.unknown.Repeats(a.order.Merchant) {
		h.log.LogAttrs(context.Background(), slog.LevelError, "no running worker has this merchant; its orders wait", append([]slog.Attr{
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
	return h.deferOrder(ctx, a, policy.Step{Do: policy.Wait, Why: event.DeferUnknown}, wait.Jitter(h.times.Held))
}

// reject settles an order that is not valid: one that was enqueued with asynq alone, since every
// other entry point validates first. No create was sent for it.
func (h *handler) reject(ctx context.Context, a *attempt, why error) error {
	a.order.Lane = tasks.Bulk
	if a.claim.State != policy.StateNew {
		return a.claim.Damaged("it holds an order that is not valid, though one was sent: " + why.Error())
	}
	return h.publish(ctx, a, invalidResult(a.claim, a.order.Merchant, a.order.OutTradeNo, why, a.now()))
}
