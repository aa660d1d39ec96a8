package attempt

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/breaker"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// delay returns when a deferred order is due again, and completes the reason in s.
func (h *Handler) delay(ctx context.Context, a *attempt, s *policy.Step) time.Duration {
	var throttled *qfpay.Throttled
	if errors.As(a.err, &throttled) && (throttled.ByGateway || !a.closeRefused) {
		return h.throttled(ctx, a, s, throttled)
	}
	switch s.Why {
	case event.DeferHeld:
		if a.refused != nil && a.refused.holds.Reason == "" {
			return wait.Jitter(breaker.AlonePause(h.Times.Alone, a.refusals()))
		}
		return wait.Jitter(h.Times.Held)
	case event.DeferPaused:
		return wait.Jitter(timing.PausedAgain)
	case event.DeferGateway:
		var busy *qfpay.Refusal
		if errors.As(a.err, &busy) {
			return wait.Jitter(h.Times.Maintenance)
		}
		return wait.Jitter(h.Times.Doubt) // QFPay is not reachable; the limiter bounds the calls of all processes
	default:
		if a.claim.SentAt.IsZero() { // reissued, and the attempt had no time left for the create
			return 0
		}
		age := a.now().Sub(a.claim.SentAt)
		if a.closeRefused { // the next attempt sends a close again
			return wait.Jitter(min(max(age/2, h.Times.CloseAgain), timing.MaxCloseAgain))
		}
		if a.unasked { // for lack of time: the call that it shared took it
			return a.retryAfter
		}
		if f := a.facts(); f.Reply == policy.Unpaid && f.Close && f.TooEarlyToClose {
			return a.untilClosable(a.now()) + wait.Jitter(h.Times.Doubt)
		} else if f.Reply == policy.Unpaid && !f.Close { // its QR code runs out
			return a.untilRunOut(wait.Jitter(min(max(age/2, h.Times.Doubt), timing.MaxCloseAgain)))
		}
		return max(wait.Jitter(h.untilQuery(&a.claim, age)), a.retryAfter)
	}
}

// untilQuery returns how long an order in doubt waits for its next query, when its create left
// age ago. Half of that, if the create may still be on its way; twice that, if it was answered: then
// there is less to gain. An order that QFPay says it cannot create now waits as for maintenance.
func (h *Handler) untilQuery(c *journal.Claim, age time.Duration) time.Duration {
	pause := age / 2
	switch {
	case c.Verdict == policy.Failing:
		return h.Times.Maintenance
	case isAnswered(c):
		pause = 2 * age
	}
	return min(max(pause, h.Times.Doubt), h.Times.MaxDoubt)
}

// untilRunOut shortens a delay that would pass the time at which the order's QR code has run out, so
// that the order is not waited for any longer.
func (a *attempt) untilRunOut(delay time.Duration) time.Duration {
	if at, _ := a.runsOut(); at.After(a.now()) {
		return min(delay, at.Sub(a.now())+time.Millisecond)
	}
	return delay
}

// beforeDeadline shortens a delay that would pass the order's deadline, so that the order
// expires on time.
func (a *attempt) beforeDeadline(delay time.Duration) time.Duration {
	if left := a.order.Deadline.Sub(a.now()); left > 0 {
		return min(delay, left+time.Millisecond)
	}
	return delay
}

// throttled handles a call that was throttled. At our own limit the order joins the wait queue and
// is dispatched from there; if that fails, it is due long after its turn. HTTP 429 from the
// gateway pauses the whole app_code, in every process.
func (h *Handler) throttled(ctx context.Context, a *attempt, s *policy.Step, t *qfpay.Throttled) time.Duration {
	if !t.ByGateway {
		s.Why = event.DeferQuota
		return whenQueued(t.RetryAfter)
	}
	s.Why = event.DeferGateway
	if a.merchant.Limiter == nil {
		return max(t.RetryAfter, timing.FirstPause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timing.Margin)
	defer cancel()
	pause, err := a.merchant.Limiter.Pause(ctx, t.RetryAfter)
	if err != nil {
		h.Observer.Observe(event.RedisFailed{Op: "pause"})
		pause = max(t.RetryAfter, timing.FirstPause)
	}
	return wait.Jitter(pause)
}

// whenQueued is when a queued order is due, given how long its wait queue takes at
// the full rate. The order is dispatched before, unless it is missing from the queue.
func whenQueued(length time.Duration) time.Duration { return 2*length + timing.QueueGrace }

// held returns how long an order has to wait because its pay type or its merchant is held; 0
// when it may go. Orders in doubt always may: they begin with a query. So may those that only end.
func (h *Handler) held(a *attempt) time.Duration {
	if a.claim.State != policy.StateNew || a.claim.Cancelled || a.facts().PastDeadline {
		return 0
	}
	left := a.merchant.Breaker.Admit(time.Now(), a.claim.ID, a.order.PayType, h.Times.Lease)
	return min(left, wait.Jitter(h.Times.Held))
}

// refusals returns how often the order was refused, as far as its journal shows: once under each
// number, or else at most in each attempt.
func (a *attempt) refusals() int {
	if a.claim.Reissues > 0 {
		return a.claim.Reissues
	}
	return a.claim.Attempts
}

// refusedCreate is an answer to a create that may be the fault of the configuration.
type refusedCreate struct {
	reason string // as policy.Fault names it
	err    error
	holds  breaker.Scope
}

// updateBreaker tells the merchant's breaker how QFPay answered a create, and the operator what
// is held since.
func (h *Handler) updateBreaker(a *attempt) {
	b, now := a.merchant.Breaker, time.Now()
	if reason := policy.Fault(a.err); reason != "" {
		s, begins := b.Refuse(now, a.claim.ID, a.order.PayType, reason)
		a.refused = &refusedCreate{reason, a.err, s}
		if begins {
			h.Log.LogAttrs(context.Background(), slog.LevelError, s.String(), append(a.attrs(), a.refused.attrs()...)...)
		}
		return
	}
	switch a.known.Reply {
	case policy.Created, policy.Refused, policy.NotNow:
		for _, s := range b.Take(now, a.order.PayType) {
			h.Log.Info("QFPay takes these orders again", "merchant", a.order.Merchant, "pay_type", s.PayType, "reason", s.Reason)
		}
	}
}

// attrs are the log attributes of a refusal: QFPay's words, and what to check.
func (r *refusedCreate) attrs() []slog.Attr {
	answer := qfpay.AnswerOf(r.err)
	return []slog.Attr{slog.String("respcd", string(answer.RespCd)), slog.String("text", strings.TrimSpace(answer.RespErr+" "+answer.RespMsg)),
		slog.Any("error", r.err), slog.String("hint", r.holds.Hint(r.reason))}
}
