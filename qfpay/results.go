package qfpay

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
)

// Reasons of Unanswered. They are also values of Call.Result.
const (
	reasonTimeout        = "timeout"         // no answer in time
	reasonCanceled       = "canceled"        // the caller's context was cancelled
	reasonReset          = "reset"           // the connection was reset
	reasonBroken         = "broken"          // the connection ended in another way, such as EOF
	reasonBadAnswer      = "bad_answer"      // not JSON, no respcd, too long, or with an invalid field
	reasonWrongEcho      = "wrong_echo"      // the answer is about another order
	reasonNoQRCode       = "no_qrcode"       // success without a QR code
	reasonWrongSignature = "wrong_signature" // with VerifyStrict and VerifyAlways
	reasonUnsigned       = "unsigned"        // the same
)

const (
	resultNotSent   = "not_sent"   // nothing was sent
	resultHTTPOther = "http_other" // a status that is not in namedStatuses
	result3xx       = "http_3xx"   // any redirect
)

// namedStatuses have their own result. There are too many statuses to use all as a label.
var namedStatuses = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
	http.StatusMethodNotAllowed, http.StatusRequestTimeout, http.StatusLengthRequired,
	http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusUnsupportedMediaType,
	http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
	http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// CallResults returns every value of Call.Result that is not a respcd.
func CallResults() []string {
	all := []string{
		resultNotSent, reasonTimeout, reasonCanceled, reasonReset, reasonBroken,
		reasonBadAnswer, reasonWrongEcho, reasonNoQRCode, reasonWrongSignature, reasonUnsigned, result3xx, resultHTTPOther,
	}
	for _, status := range namedStatuses {
		all = append(all, statusResult(status))
	}
	return all
}

// statusResult returns the result for an HTTP status.
func statusResult(status int) string {
	switch {
	case status >= 300 && status < 400:
		return result3xx
	case slices.Contains(namedStatuses, status):
		return "http_" + strconv.Itoa(status)
	}
	return resultHTTPOther
}

// callResult returns the result of a call: its respcd, or one of CallResults.
func callResult(a *answer, err error) string {
	if un, ok := errors.AsType[*Unanswered](err); ok {
		return un.Reason
	}
	if r, ok := errors.AsType[*Refusal](err); ok && r.HTTPStatus != http.StatusOK {
		return statusResult(r.HTTPStatus)
	}
	if _, ok := errors.AsType[*Throttled](err); ok {
		return statusResult(http.StatusTooManyRequests)
	}
	if _, ok := errors.AsType[*NotSent](err); ok {
		return resultNotSent
	}
	return string(a.respCd)
}
