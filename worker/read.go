package worker

import (
	"errors"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// readCreate reads the answer to a create. ok is false for an error that says nothing about the
// order: the intent could not be written, or our own context ended before the call left.
func readCreate(err error) (r reply, ok bool) {
	var (
		refusal    *qfpay.Refusal
		throttled  *qfpay.Throttled
		notSent    *qfpay.NotSent
		unanswered *qfpay.Unanswered
	)
	switch {
	case err == nil:
		return created, true
	case errors.As(err, &throttled), errors.As(err, &notSent):
		return notExecuted, true
	case errors.As(err, &unanswered):
		return unknown, true
	case errors.As(err, &refusal):
		return readRefusal(refusal), true
	}
	return nothing, false
}

// readRefusal reads an answer to a create that is not a yes. When it has a syssn, the gateway
// has stored an order under this number, whatever the code says.
func readRefusal(r *qfpay.Refusal) reply {
	if r.Syssn != "" {
		return unknown
	}
	switch r.Class {
	case qfpay.Refused:
		return refused
	case qfpay.Busy:
		return notExecuted
	case qfpay.Hold:
		return merchantRefused
	default:
		return unknown
	}
}

// clockSkew is how far QFPay's clock may be from Redis's. An order whose time at QFPay is
// earlier than our first create by more than that is not ours.
const clockSkew = 15 * time.Minute

// readQuery reads the answer to a query about order o, first sent at sentAt, and returns the row
// that decided. QFPay may have several rows under one number; the one that may still cost a
// customer money counts most.
func readQuery(rows []qfpay.Record, err error, o qfpay.Order, sentAt time.Time) (reply, qfpay.Record) {
	if err != nil {
		return unclear, qfpay.Record{}
	}
	best, row := notFound, qfpay.Record{}
	for _, candidate := range rows {
		if r := readRow(candidate, o, sentAt); rank[r] > rank[best] {
			best, row = r, candidate
		}
	}
	return best, row
}

// rank orders what rows can show by how much it matters.
var rank = map[reply]int{notFound: 0, declined: 1, failed: 2, closed: 3, otherOrder: 4, unclear: 5, maybeOurs: 6, unpaid: 7, paid: 8}

func readRow(row qfpay.Record, o qfpay.Order, sentAt time.Time) reply {
	if !row.Matches(o) {
		return otherOrder
	}
	if t, err := qfpay.ParseDateTime(row.SysDtm); err == nil && t.Before(sentAt.Add(-clockSkew)) {
		return maybeOurs
	}
	switch row.Standing() {
	case qfpay.Unpaid:
		return unpaid
	case qfpay.Paid:
		return paid
	case qfpay.Dead:
		return closed
	case qfpay.Failed:
		if row.RespCd.Class(qfpay.Hint{Text: row.ErrMsg}) == qfpay.Refused {
			return declined
		}
		return failed
	default:
		return unclear
	}
}

// readClose reads the answer to a close. closeSent means that it may have had an effect, so that
// a query must follow.
func readClose(err error) reply {
	var (
		throttled *qfpay.Throttled
		notSent   *qfpay.NotSent
	)
	if errors.As(err, &throttled) || errors.As(err, &notSent) || errors.Is(err, qfpay.ErrNotClosable) {
		return unclear
	}
	return closeSent
}
