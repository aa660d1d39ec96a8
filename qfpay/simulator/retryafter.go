package simulator

import (
	"net/http"
	"strconv"
	"time"
)

// RetryAfter is the form of the Retry-After header.
type RetryAfter string

// The forms of Retry-After.
const (
	RetryAfterNone    RetryAfter = "" // no header
	RetryAfterSeconds RetryAfter = "seconds"
	RetryAfterDate    RetryAfter = "date" // by the gateway's clock, as the Date of the answer
)

// busyFor is the Retry-After of HTTP 503.
const busyFor = 2 * time.Second

// header returns the header of an answer with this status at a time, if the quota is used up for wait.
func (r RetryAfter) header(status int, wait time.Duration, at time.Time) string {
	switch {
	case status == http.StatusServiceUnavailable:
		wait = busyFor
	case status != http.StatusTooManyRequests:
		return ""
	}
	seconds := max(1, (wait+time.Second-1)/time.Second)
	switch r {
	case RetryAfterSeconds:
		return strconv.Itoa(int(seconds))
	case RetryAfterDate:
		return at.Add(seconds * time.Second).UTC().Format(http.TimeFormat)
	}
	return ""
}
