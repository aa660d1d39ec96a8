package qfpay

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter is the longest pause a Retry-After can ask for.
const maxRetryAfter = time.Hour

// verdict is what an HTTP status says of a call.
type verdict uint8

const (
	statusDoubt verdict = iota // it may have been carried out
	statusOK
	statusThrottled
	statusHold    // wrong host, path or credentials: so it would be for every order
	statusRefused // this request is at fault
)

// judgeStatus reads an HTTP status. QFPay documents 200 and 429; the rest is read as
// a gateway behind nginx would mean it, and what is not plain is doubt.
func judgeStatus(status int) verdict {
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

// refuseStatus makes a Refusal of an HTTP status. A respcd in its body is more
// exact than the status: 400 with "duplicate request" must not pass for a failure.
func refuseStatus(r request, s exchange, v verdict) error {
	refusal := &Refusal{Endpoint: string(r.endpoint), HTTPStatus: s.status, Class: Hold, Body: clip(s.body)}
	if v == statusRefused {
		refusal.Class = Refused
	}
	a, err := parseAnswer(s)
	if err != nil {
		return refusal
	}
	refusal.RespCd, refusal.RespErr, refusal.RespMsg, refusal.Syssn = a.respCd, a.respErr, a.respMsg, a.syssn
	if v == statusRefused {
		refusal.Class = a.class(r.udid)
	}
	return refusal
}

// retryAfter reads Retry-After, in seconds or as a date. QFPay does not document
// the header; more than an hour is taken for an hour, so that a mistake in it cannot
// stop a merchant for good.
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
