package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// report writes the one log line of an attempt that was to end an order. The line never contains
// the QR code.
func (a *attempt) report(r tasks.Result, published bool, err error) {
	attrs := append(a.attrs(), slog.String("outcome", r.Outcome), slog.String("respcd", r.RespCd), slog.String("syssn", r.Syssn))
	if r.Reason != "" {
		attrs = append(attrs, slog.String("reason", r.Reason))
	}
	level, what := slog.LevelInfo, "order settled"
	switch {
	case err != nil:
		level, what = slog.LevelError, "a result could not be published; the order comes back"
		attrs = append(attrs, slog.Any("error", err))
	case !published:
		level, what = slog.LevelWarn, "the order has its result already; this one was dropped"
	case r.Outcome == string(tasks.Unresolved):
		level = slog.LevelWarn
	}
	a.handler.log.LogAttrs(context.Background(), level, what, attrs...)
}

// logDeferred writes the one log line of an attempt that deferred its order.
func (a *attempt) logDeferred(s step, delay time.Duration) {
	level := slog.LevelInfo
	if s.why == event.DeferQuota || s.why == event.DeferHeld {
		level = slog.LevelDebug // the normal course of a backlog
	}
	attrs := append(a.attrs(), slog.String("deferred_for", string(s.why)), slog.String("back_in", delay.Round(time.Millisecond).String()))
	if a.err != nil {
		attrs = append(attrs, slog.Any("error", a.err))
	}
	a.handler.log.LogAttrs(context.Background(), level, "order deferred", attrs...)
}

func (a *attempt) attrs() []slog.Attr {
	o, c := a.order, a.claim
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs, slog.String("merchant", o.Merchant), slog.String("out_trade_no", o.OutTradeNo),
		slog.String("pay_type", string(o.PayType)), slog.Int("attempt", c.attempts), slog.Int("calls", a.calls),
		slog.String("took", time.Since(a.began).Round(time.Millisecond).String()))
	if c.reissues > 0 {
		attrs = append(attrs, slog.String("issued_as", issuedAs(o.OutTradeNo, c.reissues)))
	}
	return append(attrs, c.trace()...)
}
