package attempt

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
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
	a.handler.Log.LogAttrs(context.Background(), level, what, attrs...)
}

// logDeferred writes the one log line of an attempt that deferred its order.
func (a *attempt) logDeferred(s policy.Step, delay time.Duration) {
	level := slog.LevelInfo
	switch s.Why {
	case event.DeferQuota, event.DeferHeld, event.DeferPaused, event.DeferUnknown, event.DeferElsewhere:
		level = slog.LevelDebug // the normal course of a backlog, or logged for all together
	}
	attrs := append(a.attrs(), slog.String("deferred_for", string(s.Why)), slog.String("back_in", delay.Round(time.Millisecond).String()))
	switch {
	case a.refused != nil && a.refused.holds.Reason == "" && s.Why == event.DeferHeld:
		a.handler.Log.LogAttrs(context.Background(), slog.LevelWarn, a.refused.holds.String(), append(attrs, a.refused.attrs()...)...)
		return
	case a.err != nil:
		attrs = append(attrs, slog.Any("error", a.err))
	}
	a.handler.Log.LogAttrs(context.Background(), level, "order deferred", attrs...)
}

func (a *attempt) attrs() []slog.Attr {
	o, c := a.order, a.claim
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs, slog.String("merchant", o.Merchant), slog.String("out_trade_no", o.OutTradeNo),
		slog.String("pay_type", string(o.PayType)), slog.Int("attempt", c.Attempts), slog.Int("calls", a.calls),
		slog.String("took", time.Since(a.began).Round(time.Millisecond).String()))
	if c.Reissues > 0 {
		attrs = append(attrs, slog.String("issued_as", journal.IssuedAs(o.OutTradeNo, c.Reissues)))
	}
	if words := c.LastWords(); words != "" {
		attrs = append(attrs, slog.String("last_create", words))
	}
	if c.Answer != nil && c.Answer.Signature != "" && c.Answer.Signature != qfpay.SignatureRight {
		attrs = append(attrs, slog.String("signature", string(c.Answer.Signature)))
	}
	return append(attrs, traceAttrs(&c)...)
}

// settleOp names, for [RedisFailed], which part of a settle failed.
func settleOp(err error) string {
	if errors.Is(err, tasks.ErrUnconfirmed) {
		return "wait"
	}
	return "settle"
}

// reportUnconfirmed writes the log line of a result that is in the stream, but that no replica
// has confirmed in time. Readers may have it, so it stands.
func (a *attempt) reportUnconfirmed(r tasks.Result, err error) {
	a.handler.Log.LogAttrs(context.Background(), slog.LevelError,
		"a result is published, but no replica of Redis has confirmed it: a failover now may lose it",
		append(a.attrs(), slog.String("outcome", r.Outcome), slog.Any("error", err),
			slog.String("hint", "look at the replicas: INFO replication"))...)
}

// traceAttrs returns the log attributes of the producer's trace: none when there is no trace.
func traceAttrs(c *journal.Claim) []slog.Attr {
	if c.Traceparent == "" {
		return nil
	}
	return []slog.Attr{slog.String("traceparent", c.Traceparent)}
}

// tracedError is the error of an attempt at an order that is traced. Its text is that of the
// error itself.
type tracedError struct {
	error
	attrs []slog.Attr
}

// Unwrap returns the error itself.
func (e *tracedError) Unwrap() error { return e.error }

// traced adds the trace to an error, for the log line.
func traced(c *journal.Claim, err error) error {
	if err == nil || c.Traceparent == "" {
		return err
	}
	return &tracedError{err, traceAttrs(c)}
}

// TraceOf returns the log attributes of the trace that an error carries.
func TraceOf(err error) []slog.Attr {
	if e, ok := errors.AsType[*tracedError](err); ok {
		return e.attrs
	}
	return nil
}
