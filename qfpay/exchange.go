package qfpay

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// exchange is the result of one HTTP request: an answer, or err.
type exchange struct {
	status    int
	header    http.Header
	body      []byte
	passed    time.Time     // when the first byte was sent; zero: never
	took      time.Duration // from the first byte sent to the last one read
	signature Signature
	scheme    Scheme
	err       error // *NotSent, *Throttled (by the limiter) or *Unanswered
}

// throttled reports whether the limiter took its permit back at the last moment.
func (s exchange) throttled() bool {
	_, ok := errors.AsType[*Throttled](s.err)
	return ok
}

// clip returns the part of a body that an error keeps.
func clip(body []byte) []byte { return body[:min(len(body), maxErrorBody)] }

// unreadable returns the error for an answer without a respcd that can be trusted.
func unreadable(r request, s exchange, reason string, err error) error {
	return &Unanswered{Endpoint: string(r.endpoint), Reason: reason, HTTPStatus: s.status, Signature: s.signature,
		RetryAfter: retryAfter(s.header, time.Now()), Body: clip(s.body), Err: err}
}

// statusError describes an HTTP status, and where it redirects to.
func statusError(s exchange) error {
	if to := s.header.Get("Location"); to != "" {
		return fmt.Errorf("HTTP %d with Location %s", s.status, oneLine(to))
	}
	return fmt.Errorf("HTTP %d", s.status)
}

// maxErrorBody is the part of an answer that an error keeps, in bytes.
const maxErrorBody = 64 << 10
