package worker

import (
	"errors"
	"log/slog"
)

// trace returns the log attributes of the producer's trace: none when there is no trace.
func (c *claim) trace() []slog.Attr {
	if c.traceparent == "" {
		return nil
	}
	return []slog.Attr{slog.String("traceparent", c.traceparent)}
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
func (c *claim) traced(err error) error {
	if err == nil || c.traceparent == "" {
		return err
	}
	return &tracedError{err, c.trace()}
}

// traceOf returns the log attributes of the trace that an error carries.
func traceOf(err error) []slog.Attr {
	if e, ok := errors.AsType[*tracedError](err); ok {
		return e.attrs
	}
	return nil
}
