package policy

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// ReadCreate reads the answer to a create. ok is false for an error that says nothing about the
// order: the intent could not be written, or our own context ended before the call left.
func ReadCreate(err error) (r Reply, ok bool) {
	var (
		refusal    *qfpay.Refusal
		throttled  *qfpay.Throttled
		notSent    *qfpay.NotSent
		unanswered *qfpay.Unanswered
	)
	switch {
	case err == nil:
		return Created, true
	case errors.As(err, &throttled), errors.As(err, &notSent):
		return NotExecuted, true
	case errors.As(err, &unanswered):
		return Unknown, true
	case errors.As(err, &refusal):
		return readRefusal(refusal), true
	}
	return Nothing, false
}

// readRefusal reads an answer to a create that is not a yes. When it has a syssn, the gateway
// has stored an order under this number, whatever the code says.
func readRefusal(r *qfpay.Refusal) Reply {
	if r.Class == qfpay.NotNow {
		return NotNow
	}
	if r.Syssn != "" {
		return Unknown
	}
	switch r.Class {
	case qfpay.Refused:
		return Refused
	case qfpay.Busy:
		return NotExecuted
	case qfpay.Hold:
		if r.RespCd.RefusesSignature() {
			return SignatureRefused
		}
		return ConfigRefused
	default:
		return Unknown
	}
}

// VerdictOf returns the verdict that the reply to a create means for this create alone. answered
// says that an answer came, whatever it was. A create that was not carried out has none.
func VerdictOf(r Reply, answered bool) Verdict {
	switch {
	case r == NotExecuted, r == SignatureRefused:
		return NoVerdict
	case r == Refused:
		return Refusing
	case r == ConfigRefused:
		return Holding
	case r == NotNow:
		return Failing
	case answered:
		return Open
	}
	return Lost
}

// Fault returns why the answer to a create may concern every order of the merchant, and not this
// one alone: the respcd of a refused configuration, "http" for a status without a respcd that
// speaks of the address or the credentials, or the reason why an answer of QFPay could not be
// used; "" when it does not. One such answer proves nothing: the breaker decides by several.
func Fault(err error) string {
	var (
		refusal    *qfpay.Refusal
		unanswered *qfpay.Unanswered
	)
	switch {
	case errors.As(err, &refusal) && refusal.Class == qfpay.Hold:
		return string(refusal.RespCd)
	case !errors.As(err, &unanswered), unanswered.HTTPStatus == 0:
		return ""
	}
	switch status := unanswered.HTTPStatus; {
	case status >= 200 && status < 300:
		return FaultAnswer
	case status >= 300 && status < 500 && status != http.StatusRequestTimeout:
		return FaultHTTP
	}
	return ""
}

// The faults that are no respcd.
const (
	FaultHTTP   = "http"   // a status without a respcd
	FaultAnswer = "answer" // a success without a QR code, with another echo, a wrong signature, or no answer of QFPay at all
)

// ReadQuery reads the answer to a query about order o, first sent at sentAt, and returns the row
// that decided. QFPay may have several rows under one number; the one that may still cost a
// customer money counts most.
func ReadQuery(rows []qfpay.Record, err error, o qfpay.Order, sentAt time.Time) (Reply, qfpay.Record) {
	if err != nil {
		return Unclear, qfpay.Record{}
	}
	best, row := NotFound, qfpay.Record{}
	for _, candidate := range rows {
		if r := readRow(candidate, o, sentAt); rank[r] > rank[best] {
			best, row = r, candidate
		}
	}
	return best, row
}

// rank orders what rows can show by how much it matters.
var rank = map[Reply]int{NotFound: 0, Declined: 1, Failed: 2, Closed: 3, OtherOrder: 4, Unclear: 5, MaybeOurs: 6, Unpaid: 7, Paid: 8}

// readRow reads a row under the number of o. An order with another amount or currency is not ours
// only if something else speaks for that too: another pay type, or a time before our first create.
// QFPay may keep numbers in another case, so that one of them may be of another order of ours:
// where the case differs, txdtm must be ours to the second.
func readRow(row qfpay.Record, o qfpay.Order, sentAt time.Time) Reply {
	at, err := qfpay.ParseDateTime(row.SysDtm)
	isEarlier := err == nil && at.Before(sentAt.Add(-timing.ClockSkew))
	isOther := row.PayType != "" && row.PayType != o.PayType
	otherCase := row.OutTradeNo != "" && strings.TrimSpace(row.OutTradeNo) != o.OutTradeNo && row.TxDtm != o.TxDtm
	switch {
	case !row.Matches(o) && (isEarlier || isOther):
		return OtherOrder
	case !row.Matches(o), isEarlier, otherCase:
		return MaybeOurs
	}
	switch row.Standing() {
	case qfpay.Unpaid:
		return Unpaid
	case qfpay.Paid:
		return Paid
	case qfpay.Dead:
		return Closed
	case qfpay.Failed:
		if row.RespCd.Class(qfpay.Hint{Text: row.ErrMsg}) == qfpay.Refused {
			return Declined
		}
		return Failed
	default:
		return Unclear
	}
}

// ReadClose reads the answer to a close. closeSent means that it may have had an effect, so that
// a query must follow.
func ReadClose(err error) Reply {
	var (
		throttled *qfpay.Throttled
		notSent   *qfpay.NotSent
	)
	if errors.As(err, &throttled) || errors.As(err, &notSent) || errors.Is(err, qfpay.ErrNotClosable) {
		return Unclear
	}
	return CloseSent
}
