package worker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// held returns how long an order has to wait because its pay type or its merchant is held; 0
// when it may go. Orders in doubt always may: they begin with a query.
func (h *handler) held(a *attempt) time.Duration {
	if a.claim.State != policy.StateNew || a.facts().PastDeadline {
		return 0
	}
	left := a.merchant.breaker.admit(time.Now(), a.claim.ID, a.order.PayType, h.times.Lease)
	return min(left, wait.Jitter(h.times.Held))
}

// updateBreaker tells the merchant's breaker how QFPay answered a create, and the operator what
// is held since.
func (h *handler) updateBreaker(a *attempt, r policy.Reply) {
	b, now := a.merchant.breaker, time.Now()
	switch r {
	case policy.MerchantRefused:
		s, begins := b.refuse(now, a.claim.ID, a.order.PayType, refusedAs(a.err))
		a.refused = &s
		if begins {
			h.log.LogAttrs(context.Background(), slog.LevelError, heldText(s), append(a.attrs(), refusalAttrs(a.err, s)...)...)
		}
	case policy.Created, policy.Refused:
		for _, s := range b.take(now, a.order.PayType) {
			h.log.Info("QFPay takes these orders again", "merchant", a.order.Merchant, "pay_type", s.payType, "reason", s.reason)
		}
	}
}

// refusedAs names a refusal of the configuration in metrics.
func refusedAs(err error) string {
	if refusal, ok := errors.AsType[*qfpay.Refusal](err); ok && refusal.RespCd != "" {
		return string(refusal.RespCd)
	}
	return "http"
}

// heldText says what is held.
func heldText(s scope) string {
	switch {
	case s.reason == "":
		return "QFPay refuses this order; it waits alone"
	case s.payType != "":
		return "QFPay refuses this merchant's orders of one pay type; they wait, and one is tried now and then"
	default:
		return "QFPay refuses this merchant's orders; they wait, and one of each pay type is tried now and then"
	}
}

// refusalAttrs are the log attributes of a refusal: QFPay's words, and what to check.
func refusalAttrs(err error, s scope) []slog.Attr {
	var respCd, text string
	if refusal, ok := errors.AsType[*qfpay.Refusal](err); ok {
		respCd = string(refusal.RespCd)
		text = strings.TrimSpace(refusal.RespErr + " " + refusal.RespMsg)
	}
	return []slog.Attr{slog.String("respcd", respCd), slog.String("text", text), slog.Any("error", err),
		slog.String("hint", hint(refusedAs(err), s))}
}

// hint says what to check after a refusal. The key is to blame only when QFPay takes nothing of
// the merchant.
func hint(reason string, s scope) string {
	switch {
	case s.reason == "":
		return "other orders may be taken: compare this one's fields with theirs; it is tried until its deadline"
	case reason == "1104":
		return "ask QFPay whether this pay type is enabled for the merchant"
	case s.payType != "":
		return "the credentials are good, since other pay types are taken: ask QFPay about this pay type of the merchant"
	case reason == "1108":
		return "compare the client key, the mchid and QFPAY_SIGN_TYPE (try MD5) with what QFPay issued for this base URL"
	case reason == "http":
		return "compare the base URL with the environment of these credentials"
	default:
		return "ask QFPay's support about this code: it concerns the merchant's store or account"
	}
}
