package qfpay

import (
	"fmt"
	"time"
)

// Refusal is a valid answer that is not a success: a respcd other than 0000, or an HTTP
// status that rejects the request. Its Class says what it means for the order. Not every
// refusal means that the gateway did nothing.
type Refusal struct {
	Endpoint   string // payment, query, close or reversal
	RespCd     RespCd // empty when the refusal is an HTTP status without a respcd
	RespMsg    string
	RespErr    string
	Syssn      string // if not empty, the gateway has stored an order under this out_trade_no
	HTTPStatus int
	Class      Class
	Body       []byte // the answer as received, at most 64 KiB
}

// Error implements error.
func (e *Refusal) Error() string {
	if e.RespCd == "" {
		return fmt.Sprintf("qfpay: %s: HTTP %d", e.Endpoint, e.HTTPStatus)
	}
	return fmt.Sprintf("qfpay: %s: respcd %s (%s): %s %s", e.Endpoint, e.RespCd, e.RespCd.Meaning(), e.RespErr, e.RespMsg)
}

// Throttled means that a call was not processed because the quota was used up: the limiter
// did not allow it, or the gateway answered HTTP 429, which QFPay's guidelines define as not
// processed.
type Throttled struct {
	Endpoint   string
	RetryAfter time.Duration // how long to wait; 0 if the gateway did not say
	ByGateway  bool          // HTTP 429; otherwise it was the limiter, and nothing was sent
}

// Error implements error.
func (e *Throttled) Error() string {
	by := "limiter"
	if e.ByGateway {
		by = "gateway (HTTP 429)"
	}
	return fmt.Sprintf("qfpay: %s: throttled by the %s, retry after %s", e.Endpoint, by, e.RetryAfter)
}

// NotSent means that no byte of a call was sent, so it was certainly not processed.
type NotSent struct {
	Endpoint string
	Err      error
}

// Error implements error.
func (e *NotSent) Error() string { return fmt.Sprintf("qfpay: %s: not sent: %v", e.Endpoint, e.Err) }

// Unwrap returns the cause, for [errors.Is] and [errors.As].
func (e *NotSent) Unwrap() error { return e.Err }

// Unanswered means that a call may have been processed: all or part of it was sent, and
// there is no answer, or none that can be trusted. Only a query can show what happened.
type Unanswered struct {
	Endpoint   string
	Reason     string // one of CallResults: timeout, reset, http_502, bad_answer, wrong_echo, …
	HTTPStatus int    // 0 if there was no answer
	Body       []byte // the received part of an answer, at most 64 KiB
	Err        error
}

// Error implements error.
func (e *Unanswered) Error() string {
	return fmt.Sprintf("qfpay: %s: sent, but without an answer that can be trusted (%s): %v", e.Endpoint, e.Reason, e.Err)
}

// Unwrap returns the cause, for [errors.Is] and [errors.As].
func (e *Unanswered) Unwrap() error { return e.Err }
