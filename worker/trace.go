package worker

import (
	"errors"
	"log/slog"
)

// trace is what a log line says of the producer's trace: nothing when there is none.
func (c *claim) trace() []slog.Attr {
	if c.traceparent == "" {
		return nil
	}
	return []slog.Attr{slog.String("traceparent", c.traceparent)}
}

// tracedError is why an attempt at an order that is traced failed. Its text is that of
// the error itself.
type tracedError struct {
	error
	attrs []slog.Attr
}

// Unwrap is for package errors.
func (e *tracedError) Unwrap() error { return e.error }

// traced takes the trace along with an error, for whoever logs it.
func (c *claim) traced(err error) error {
	if err == nil || c.traceparent == "" {
		return err
	}
	return &tracedError{err, c.trace()}
}

// traceOf is what a log line about an error says of the producer's trace.
func traceOf(err error) []slog.Attr {
	if e, ok := errors.AsType[*tracedError](err); ok {
		return e.attrs
	}
	return nil
}
