package qfpay

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter is the longest accepted Retry-After.
const maxRetryAfter = time.Hour

// retryAfter reads Retry-After, in seconds or as a date. QFPay does not document the header. A
// date counts from the Date of the answer, since it was written by the same clock; now is for an
// answer without one. The result is at most an hour, so that a wrong value cannot stop a merchant
// for ever.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
