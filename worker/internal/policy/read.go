package policy

import (
	"errors"
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
	if r.Syssn != "" {
		return Unknown
	}
	switch r.Class {
	case qfpay.Refused:
		return Refused
	case qfpay.Busy:
		return NotExecuted
	case qfpay.Hold:
		return MerchantRefused
	default:
		return Unknown
	}
}

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

func readRow(row qfpay.Record, o qfpay.Order, sentAt time.Time) Reply {
	if !row.Matches(o) {
		return OtherOrder
	}
	if t, err := qfpay.ParseDateTime(row.SysDtm); err == nil && t.Before(sentAt.Add(-timing.ClockSkew)) {
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
