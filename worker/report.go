package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// report writes the one log line of an attempt that was to end an order. It never
// has the QR code in it.
func (a *attempt) report(r tasks.Result, published bool, err error) {
	attrs := append(a.attrs(), "outcome", r.Outcome, "respcd", r.RespCd, "syssn", r.Syssn)
	if r.Reason != "" {
		attrs = append(attrs, "reason", r.Reason)
	}
	log := a.handler.log
	switch {
	case err != nil:
		log.Error("a result could not be published; the order comes back", append(attrs, "error", err)...)
	case !published:
		log.Warn("the order has its result already; this one was dropped", attrs...)
	case r.Outcome == string(tasks.Unresolved):
		log.Warn("order settled", attrs...)
	default:
		log.Info("order settled", attrs...)
	}
}

// waits writes the one log line of an attempt that put its order down.
func (a *attempt) waits(s step, delay time.Duration) {
	level := slog.LevelInfo
	if s.why == DeferQuota || s.why == DeferHeld {
		level = slog.LevelDebug // the normal course of a backlog
	}
	attrs := append(a.attrs(), "waits_for", s.why, "back_in", delay.Round(time.Millisecond).String())
	if a.err != nil {
		attrs = append(attrs, "error", a.err)
	}
	a.handler.log.Log(context.Background(), level, "order put down", attrs...)
}

func (a *attempt) attrs() []any {
	o, c := a.order, a.claim
	attrs := []any{"merchant", o.Merchant, "out_trade_no", o.OutTradeNo, "pay_type", o.PayType,
		"attempt", c.attempts, "calls", a.calls, "took", time.Since(a.began).Round(time.Millisecond).String()}
	if c.number > 0 {
		attrs = append(attrs, "issued_as", issuedAs(o.OutTradeNo, c.number))
	}
	return append(attrs, c.trace()...)
}
