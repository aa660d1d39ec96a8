package qfpay

import "strconv"

// The values of cancel that change what a row means. Of 0000 with 2 the reference of
// 2017 says "refunded" and the pages since say "cancelled": either way there is
// nothing to pay and nothing paid.
const (
	cancelNone     = "0"
	cancelled      = "2"
	refunded       = "3"
	partlyRefunded = "5"
)

// Standing says what the row tells of its order. What is not certain is Unclear.
func (r Record) Standing() Standing {
	s := r.RespCd.Standing()
	switch {
	case s == Unpaid && r.Cancel == cancelled:
		return Dead
	case r.RespCd != success:
		return s
	}
	switch r.Cancel {
	case "", cancelNone, refunded, partlyRefunded:
		return Paid
	case cancelled:
		return Dead
	}
	return Unclear
}

// Matches tells whether the row has the amount and the currency of o. What the row
// leaves empty matches: rows of 2017 have no currency.
func (r Record) Matches(o Order) bool {
	return (r.TxAmt == "" || r.TxAmt == strconv.FormatInt(o.TxAmt, 10)) &&
		(r.TxCurrCd == "" || r.TxCurrCd == o.TxCurrCd)
}

var standingNames = [...]string{Unclear: "unclear", Unpaid: "unpaid", Paid: "paid", Dead: "dead", Failed: "failed"}

// String returns the name of the standing in lower case.
func (s Standing) String() string {
	if int(s) < len(standingNames) {
		return standingNames[s]
	}
	return standingNames[Unclear]
}
