package worker

import "github.com/qfpay-worker/qfpay-worker/qfpay"

// LostResponse says what happens to an order that stands at QFPay when the answer with its QR
// code was lost. A query does not return QR codes.
type LostResponse string

// The settings. With each of them, an order that can be paid is never published as a
// failure, and never gets a second QR code.
const (
	Auto        LostResponse = "auto"       // Reissue where QFPay documents how to close the order, else LeaveIt
	Reissue     LostResponse = "reissue"    // close it, and create it again under a new number
	LeaveIt     LostResponse = "unresolved" // publish that a person must look
	maxReissues              = 2            // reissues of one order: _2 and _3
)

// mayClose reports whether the unpaid order of this pay type may be closed.
func (l LostResponse) mayClose(t qfpay.PayType, unique bool) bool {
	return l != LeaveIt && unique && t.Closable()
}

// mayReissue reports whether an order may go on under another number after so many reissues.
// That needs a gateway that refuses repeated numbers: only there does a closed number stay
// closed.
func (l LostResponse) mayReissue(t qfpay.PayType, unique bool, reissues int) bool {
	return l != LeaveIt && unique && reissues < maxReissues && (l == Reissue || t.Closable())
}
