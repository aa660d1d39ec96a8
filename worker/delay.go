package worker

import (
	"context"
	"errors"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// delay returns when a deferred order is due again, and completes the reason in s.
func (h *handler) delay(ctx context.Context, a *attempt, s *policy.Step) time.Duration {
	var throttled *qfpay.Throttled
	if errors.As(a.err, &throttled) {
		return h.throttled(ctx, a, s, throttled)
	}
	switch s.Why {
	case event.DeferHeld:
		return min(a.merchant.breaker.admit(time.Now(), 0), wait.Jitter(h.times.Held))
	case event.DeferGateway:
		var busy *qfpay.Refusal
		if errors.As(a.err, &busy) {
			return wait.Jitter(h.times.Maintenance)
		}
		return wait.Jitter(h.times.Doubt) // QFPay is not reachable; the limiter bounds the calls of all processes
	default:
		if a.claim.SentAt.IsZero() { // reissued, and the attempt had no time left for the create
			return 0
		}
		age := a.now().Sub(a.claim.SentAt)
		return wait.Jitter(min(max(age/2, h.times.Doubt), h.times.MaxDoubt))
	}
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
func (h *handler) throttled(ctx context.Context, a *attempt, s *policy.Step, t *qfpay.Throttled) time.Duration {
	if !t.ByGateway {
		s.Why = event.DeferQuota
		return whenQueued(t.RetryAfter)
	}
	s.Why = event.DeferGateway
	if a.merchant.limiter == nil {
		return max(t.RetryAfter, timing.FirstPause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timing.Margin)
	defer cancel()
	pause, err := a.merchant.limiter.Pause(ctx, t.RetryAfter)
	if err != nil {
		h.observer.Observe(event.RedisFailed{Op: "pause"})
		pause = max(t.RetryAfter, timing.FirstPause)
	}
	return wait.Jitter(pause)
}

// whenQueued is when a queued order is due, given how long its wait queue takes at
// the full rate. The order is dispatched before, unless it is missing from the queue.
func whenQueued(length time.Duration) time.Duration { return 2*length + timing.QueueGrace }

// updateBreaker trips the merchant's breaker when the gateway refuses the merchant's
// configuration, and resets it when the gateway takes a create.
func (h *handler) updateBreaker(a *attempt) {
	name := a.merchant.client.Merchant.Name
	switch a.known.Reply {
	case policy.MerchantRefused:
		reason := "http"
		var refusal *qfpay.Refusal
		if errors.As(a.err, &refusal) && refusal.RespCd != "" {
			reason = string(refusal.RespCd)
		}
		if a.merchant.breaker.trip(time.Now(), reason) {
			h.log.Error("QFPay refuses this merchant's configuration; its orders wait, and one is tried now and then",
				"merchant", name, "error", a.err, "hint", hint(reason))
		}
	case policy.Created, policy.Refused:
		if a.merchant.breaker.reset() != "" {
			h.log.Info("QFPay takes this merchant's orders again", "merchant", name)
		}
	}
}

// hint says what to check for a code that trips the breaker.
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
