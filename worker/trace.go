package worker

import (
	"errors"
	"log/slog"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

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

// traceOf returns the log attributes of the trace that an error carries.
func traceOf(err error) []slog.Attr {
	if e, ok := errors.AsType[*tracedError](err); ok {
		return e.attrs
	}
	return nil
}
