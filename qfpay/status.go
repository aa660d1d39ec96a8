package qfpay

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter is the longest accepted Retry-After.
const maxRetryAfter = time.Hour

// statusClass is the meaning of an HTTP status for a call.
type statusClass uint8

const (
	statusDoubt statusClass = iota // the call may have been processed
	statusOK
	statusThrottled
	statusHold    // wrong host, path or credentials: every order would fail
	statusRefused // the request itself is wrong
)

// classifyStatus returns the class of an HTTP status. QFPay documents 200 and 429. The others
// are read as those of a gateway behind nginx, and unclear ones are a doubt.
func classifyStatus(status int) statusClass {
	switch status {
	case http.StatusOK:
		return statusOK
	case http.StatusTooManyRequests:
		return statusThrottled
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return statusHold
	case http.StatusBadRequest, http.StatusLengthRequired, http.StatusRequestEntityTooLarge,
		http.StatusRequestURITooLong, http.StatusUnsupportedMediaType:
		return statusRefused
	}
	if status >= 300 && status < 400 {
		return statusHold
	}
	return statusDoubt
}

// refusalOfStatus returns the Refusal for an HTTP status. A respcd in the body is more exact
// than the status: 400 with "duplicate request" does not mean that the order failed.
func refusalOfStatus(r request, s exchange, class statusClass) error {
	refusal := &Refusal{Endpoint: string(r.endpoint), HTTPStatus: s.status, Class: Hold, Body: clip(s.body)}
	if class == statusRefused {
		refusal.Class = Refused
	}
	a, err := parseAnswer(s)
	if err != nil {
		return refusal
	}
	refusal.RespCd, refusal.RespErr, refusal.RespMsg, refusal.Syssn = a.respCd, a.respErr, a.respMsg, a.syssn
	if class == statusRefused {
		refusal.Class = a.class(r.udid)
	}
	return refusal
}

// retryAfter reads Retry-After, in seconds or as a date. QFPay does not document the header.
// The result is at most an hour, so that a wrong value cannot stop a merchant for ever.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
