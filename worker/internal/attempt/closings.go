package attempt

import (
	"context"
	"errors"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/failpoint"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/merchants"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// CloseOrders closes published orders that somebody has asked to cancel, until ctx ends.
func (h *Handler) CloseOrders(ctx context.Context) { (&closings{handler: h}).run(ctx) }

// closings closes orders at QFPay whose QR codes are published and that somebody has asked to cancel. It
// does not touch their results. Every process works on some; whatever a process leaves undone is due
// again.
type closings struct {
	handler *Handler
	failing bool // the latest round failed
}

// run closes what is due until ctx ends, and then finishes the calls that have left.
func (c *closings) run(ctx context.Context) {
	for wait.Sleep(ctx, wait.Jitter(timing.ClosingEvery)) == nil {
		for c.round(ctx) == timing.ClosingAtOnce && ctx.Err() == nil {
		}
	}
}

// round works on some orders that are due, and returns how many.
func (c *closings) round(ctx context.Context) int {
	h := c.handler
	own := h.Merchants.Load().ByName
	due, err := h.Journal.ClosingDue(ctx, timing.ClosingAtOnce, slices.Collect(maps.Keys(own)))
	if err != nil && ctx.Err() == nil {
		h.Observer.Observe(event.RedisFailed{Op: "closing"})
		if !c.failing {
			h.Log.Error("orders that are to be closed could not be read; trying again", "error", err)
		}
	}
	c.failing = err != nil
	var working sync.WaitGroup
	for _, one := range due {
		merchant, _, _ := strings.Cut(one.ID, ":")
		working.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					h.Log.Error("a closing panicked; its order comes back", "id", one.ID, "panic", r, "stack", string(debug.Stack()))
				}
			}()
			c.close(ctx, own[merchant], &one)
		})
	}
	working.Wait()
	return len(due)
}

// close makes one attempt at an order, and writes down how it ended.
func (c *closings) close(ctx context.Context, m *merchants.State, one *journal.Closing) {
	h := c.handler
	a := &attempt{handler: h, merchant: m, claim: one.Claim, session: ratelimit.NewSession(nil), began: time.Now()}
	defer func() { a.session.Close(ctx) }()
	var step policy.Closing
	var err error
	if a.order, err = tasks.ParseOrder(one.Order); err != nil {
		step = policy.CloseUnclear // it was sent, so it is damage
	} else {
		calls, cancel := context.WithTimeout(ctx, h.Times.Attempt+h.Times.Lease)
		step = a.closing(calls, one.AskedAt)
		cancel()
	}
	delay := c.again(a, one)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timing.SettleTimeout)
	defer cancel()
	err = h.Journal.ClosingEnd(ctx, one, step.Result(), delay)
	if err != nil && !errors.Is(err, journal.ErrLost) {
		h.Observer.Observe(event.RedisFailed{Op: "closing"})
	}
	if result := step.Result(); err == nil && result != "" {
		h.Observer.Observe(event.Closed{Result: result})
		h.Log.Info("a published order was to be cancelled", "merchant", a.order.Merchant, "out_trade_no", a.order.OutTradeNo,
			"issued_as", a.issued().OutTradeNo, "closed", result)
	}
}

// again returns when an order is looked at again: when it is old enough, soon when its calls had no slot, and
// else later and later.
func (c *closings) again(a *attempt, one *journal.Closing) time.Duration {
	if left := a.untilClosable(a.now()); left > 0 {
		return left + wait.Jitter(c.handler.Times.Doubt)
	}
	if throttled, is := errors.AsType[*qfpay.Throttled](a.err); is {
		return wait.Jitter(max(throttled.RetryAfter, timing.FirstPause))
	}
	return wait.Jitter(min(c.handler.Times.Doubt<<min(one.Tries, 10), timing.MaxCloseAgain))
}

// closing queries and closes a published order, and returns the step that it ends with for now.
func (a *attempt) closing(ctx context.Context, askedAt time.Time) policy.Closing {
	late := a.now().Sub(askedAt) > timing.ClosingGivenUp
	closable := a.handler.UniqueNumbers && a.order.PayType.Closable()
	reply := policy.Nothing
	for {
		switch s := policy.NextClosing(reply, closable, a.untilClosable(a.now()) > 0, a.known.CloseSentHere, late); s {
		case policy.CloseQuery:
			reply = a.queryPublished(ctx)
			failpoint.Hit("closing_queried")
		case policy.CloseNow:
			_, a.err = a.client(ratelimit.Doubt).Close(ctx, a.issued(), nil)
			reply, a.known.CloseSentHere = policy.ReadClose(a.err), true
			failpoint.Hit("closing_closed")
		default:
			return s
		}
	}
}

// queryPublished asks QFPay once about a published order.
func (a *attempt) queryPublished(ctx context.Context) policy.Reply {
	o, sent := a.issued(), a.claim.FirstSentAt
	answer := a.ask(ctx, o.OutTradeNo, qfpay.MonthsAround(sent, a.now()), time.Time{})
	a.err = answer.Err
	if book := a.handler.Payments; book != nil && answer.Err == nil && book.Seen(ctx, a.claim.ID, answer.Rows) != nil {
		a.handler.Observer.Observe(event.RedisFailed{Op: "follow"}) // the follower will see it
	}
	reply, _ := policy.ReadQuery(answer.Rows, answer.Err, o, sent)
	return reply
}
