package qfpay

import (
	"fmt"
	"time"
)

// Refusal is an answer that was understood and is not a yes: a respcd other than
// 0000, or an HTTP status that says the request was turned away. What it means for
// the order is its Class; not every refusal says that nothing was carried out.
type Refusal struct {
	Endpoint   string // payment, query, close or reversal
	RespCd     RespCd // empty when the refusal is an HTTP status without a respcd
	RespMsg    string
	RespErr    string
	Syssn      string // not empty: the gateway has stored an order under this out_trade_no
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

// Throttled says that a call was not carried out for want of quota: the limiter
// issued no permit, or the gateway answered HTTP 429, which its guidelines define as
// not processed.
type Throttled struct {
	Endpoint   string
	RetryAfter time.Duration // how long to wait; 0 when the gateway did not say
	ByGateway  bool          // HTTP 429; otherwise the limiter, and nothing left
}

// Error implements error.
func (e *Throttled) Error() string {
	by := "limiter"
	if e.ByGateway {
		by = "gateway (HTTP 429)"
	}
	return fmt.Sprintf("qfpay: %s: throttled by the %s, retry after %s", e.Endpoint, by, e.RetryAfter)
}

// NotSent says that no byte of a call left this machine: it is certain that it
// was not carried out.
type NotSent struct {
	Endpoint string
	Err      error
}

// Error implements error.
func (e *NotSent) Error() string { return fmt.Sprintf("qfpay: %s: not sent: %v", e.Endpoint, e.Err) }

// Unwrap gives the cause to [errors.Is] and [errors.As].
func (e *NotSent) Unwrap() error { return e.Err }

// Unanswered says that a call may have been carried out: it was sent, wholly or
// in part, and what came back, if anything, cannot be trusted. Only an enquiry
// can tell.
type Unanswered struct {
	Endpoint   string
	Reason     string // one of CallResults: timeout, reset, http_502, bad_answer, wrong_echo, …
	HTTPStatus int    // 0 when there was no answer at all
	Body       []byte // what was received of an answer, at most 64 KiB
	Err        error
}

// Error implements error.
func (e *Unanswered) Error() string {
	return fmt.Sprintf("qfpay: %s: sent, and no answer to trust (%s): %v", e.Endpoint, e.Reason, e.Err)
}

// Unwrap gives the cause to [errors.Is] and [errors.As].
func (e *Unanswered) Unwrap() error { return e.Err }
