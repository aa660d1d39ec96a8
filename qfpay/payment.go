package qfpay

import "strings"

// Payment is the gateway's answer to a successful create: respcd 0000, a QR code, and echoed
// fields that match the order. The payment is created, not paid.
type Payment struct {
	OutTradeNo string
	QRCode     string // text to draw as a QR code; QFPay says at most 512 characters
	Syssn      string // QFPay's ID of the order
	RespCd     RespCd
	RespErr    string
	RespMsg    string
	TxDtm      string
	SysDtm     string // QFPay's time of the order, UTC+8; the window of a query applies to it
	ChnlSn     string
	Signature  Signature
	Body       []byte // the answer as received
}

// Record is one row of the answer to a query.
type Record struct {
	Syssn      string
	OutTradeNo string
	PayType    PayType
	OrderType  string // payment, refund, close
	TxAmt      string
	TxCurrCd   string
	TxDtm      string
	SysDtm     string
	PayDtm     string // when it was paid, UTC+8; it may be empty
	RespCd     RespCd
	ErrMsg     string
	Cancel     string // 0 none, 1 reversed (CPM), 2 cancelled (MPM), 3 refunded, 5 partly refunded
	ChnlSn     string
	Body       string // the row as received
}

// Standing is the state of an order according to a Record.
type Standing uint8

// The standings. A row with an unknown respcd is Unclear, never Failed.
const (
	Unclear Standing = iota // not certain
	Unpaid                  // exists and can be paid: 1143, 1145
	Paid                    // paid, perhaps refunded since: 0000 with cancel 0, 3 or 5, and 1260, 1262
	Dead                    // closed, cancelled or expired, never paid: 1142, 1181, 1263, 1264, cancel 2
	Failed                  // failed at the channel or refused: nothing to pay, and the order number is used up
)

// Closing is the gateway's answer to a close or a reversal. It is not a proof: only a query
// shows whether the order is dead.
type Closing struct {
	Endpoint  string // close or reversal
	Syssn     string // of the cancellation
	OrigSyssn string // of the order
	RespCd    RespCd
	Body      []byte
}

// The values of cancel that change the meaning of a row. 0000 with 2 is "refunded" in the
// reference of 2017, and "cancelled" in later pages: in both cases nothing can be paid and
// nothing is paid.
const (
	cancelNone     = "0"
	cancelled      = "2"
	refunded       = "3"
	partlyRefunded = "5"
)

// Standing returns the state of the order. If the row is not clear, it is Unclear.
func (r Record) Standing() Standing {
	s := r.RespCd.Standing()
	switch {
	case r.OrderType != "" && !strings.EqualFold(r.OrderType, orderPayment):
		return Unclear
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

// Matches reports whether the row has the amount and the currency of o, in whatever notation. An
// empty field matches: rows of 2017 have no currency.
func (r Record) Matches(o Order) bool {
	return (r.TxAmt == "" || sameAmount(r.TxAmt, o.TxAmt)) && (r.TxCurrCd == "" || sameCurrency(r.TxCurrCd, o.TxCurrCd))
}

var standingNames = [...]string{Unclear: "unclear", Unpaid: "unpaid", Paid: "paid", Dead: "dead", Failed: "failed"}

// String returns the name of the standing in lower case.
func (s Standing) String() string {
	if int(s) < len(standingNames) {
		return standingNames[s]
	}
	return standingNames[Unclear]
}

// orderPayment is the order_type of rows that are orders.
const orderPayment = "payment"
