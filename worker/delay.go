package worker

import (
	"context"
	"errors"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
)

// delay says when an order that was put down is due again, and completes why.
func (h *handler) delay(ctx context.Context, a *attempt, s *step) time.Duration {
	var throttled *qfpay.Throttled
	if errors.As(a.err, &throttled) {
		return h.throttled(ctx, a, s, throttled)
	}
	switch s.why {
	case DeferHeld:
		return min(a.merchant.breaker.admit(time.Now(), 0), spread(h.times.held))
	case DeferGateway:
		var busy *qfpay.Refusal
		if errors.As(a.err, &busy) {
			return spread(h.times.busy)
		}
		return spread(h.times.doubt) // not reachable; the limiter keeps all of us within bounds
	default:
		if a.claim.sentAt.IsZero() { // a new number, and the attempt had no time left for its create
			return 0
		}
		age := a.now().Sub(a.claim.sentAt)
		return spread(min(max(age/2, h.times.doubt), h.times.longest))
	}
}

// beforeDeadline shortens a delay that would pass the order's deadline: whoever waits
// for the order should hear then that it has expired.
func (a *attempt) beforeDeadline(delay time.Duration) time.Duration {
	if left := a.order.Deadline.Sub(a.now()); left > 0 {
		return min(delay, left+time.Millisecond)
	}
	return delay
}

// throttled: at our own limit the order joins the line and is called up from there;
// should that fail, it is looked at long after its turn. The gateway's 429 pauses the
// whole app_code, in every process.
func (h *handler) throttled(ctx context.Context, a *attempt, s *step, t *qfpay.Throttled) time.Duration {
	if !t.ByGateway {
		s.why = DeferQuota
		return inLine(t.RetryAfter)
	}
	s.why = DeferGateway
	if a.merchant.limiter == nil {
		return max(t.RetryAfter, ratelimit.FirstPause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin)
	defer cancel()
	pause, err := a.merchant.limiter.Pause(ctx, t.RetryAfter)
	if err != nil {
		h.observer.Observe(RedisFailed{Op: "pause"})
		pause = max(t.RetryAfter, ratelimit.FirstPause)
	}
	return spread(pause)
}

// inLine is when to look at an order that is in line, for how long the line is at the full
// rate. It is called up before, unless whoever calls does not know of it.
func inLine(length time.Duration) time.Duration { return 2*length + time.Minute }

// hold holds the merchant when the gateway refuses its configuration, and lets go
// when it takes a create.
func (h *handler) updateBreaker(a *attempt) {
	name := a.merchant.client.Merchant.Name
	switch a.known.reply {
	case merchantRefused:
		reason := "http"
		var refusal *qfpay.Refusal
		if errors.As(a.err, &refusal) && refusal.RespCd != "" {
			reason = string(refusal.RespCd)
		}
		if a.merchant.breaker.trip(time.Now(), reason) {
			h.log.Error("QFPay refuses this merchant's configuration; its orders wait, and one is tried now and then",
				"merchant", name, "error", a.err, "hint", hint(reason))
		}
	case created, refused:
		if a.merchant.breaker.reset() != "" {
			h.log.Info("QFPay takes this merchant's orders again", "merchant", name)
		}
	}
}

// hint says what to look at for a code that holds a merchant.
func hint(reason string) string {
	switch reason {
	case "1108":
		return "compare the client key, the mchid and QFPAY_SIGN_TYPE with what QFPay issued for this base URL"
	case "http":
		return "compare the base URL with the environment of these credentials"
	case "1104":
		return "ask QFPay whether this pay type is enabled for the merchant"
	default:
		return "ask QFPay's support about this code: it concerns the merchant's store or account"
	}
}
