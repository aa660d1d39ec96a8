package policy

import "github.com/qfpay-worker/qfpay-worker/qfpay"

// LostResponse says what happens to an order that stands at QFPay when the answer with its QR
// code was lost. A query does not return QR codes. But for LostUnresolved, what cannot be closed is waited for
// while its QR code may run out.
type LostResponse string

// The settings. With each of them, an order that can be paid is never published as a
// failure, and never gets a second QR code.
const (
	LostAuto       LostResponse = "auto"       // reissue where QFPay documents how to close the order, else leave it
	LostReissue    LostResponse = "reissue"    // close it, and create it again under a new number
	LostUnresolved LostResponse = "unresolved" // publish that a person must look
)

// MaxReissues bounds the reissues of one order: _2 and _3.
const MaxReissues = 2

// MaxCreates and MaxAnswered bound how often a create is sent under one number. Without them, a
// gateway that calls a number a duplicate and then does not find it would get creates for ever.
// Where an answer came to each, the next one will hardly differ.
const (
	MaxCreates  = 4
	MaxAnswered = 2
)

// MayClose reports whether the unpaid order of this pay type may be closed.
func (l LostResponse) MayClose(t qfpay.PayType, unique bool) bool {
	return l != LostUnresolved && unique && t.Closable()
}

// MayReissue reports whether an order may go on under another number after so many reissues.
// That needs a gateway that refuses repeated numbers: only there does a closed number stay
// closed.
func (l LostResponse) MayReissue(t qfpay.PayType, unique bool, reissues int) bool {
	return l != LostUnresolved && unique && reissues < MaxReissues && (l == LostReissue || t.Closable())
}
