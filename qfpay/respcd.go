package qfpay

import (
	"regexp"
	"strings"
)

// RespCd is the result code of an answer.
type RespCd string

// Class is the meaning of an answer to a create for the next step.
type Class uint8

// The classes. Unknown codes are Doubt, never Refused: a wrong guess would cause a double or
// a lost payment.
const (
	// Doubt: the state of the order is not known, or the gateway already knows its order
	// number. Query before anything else.
	Doubt Class = iota
	// Done: the create succeeded.
	Done
	// Refused: a repeated create will not succeed either.
	Refused
	// Busy: not accepted; the same order number may be sent again after a delay.
	Busy
	// Hold: the gateway refuses the merchant's configuration or credentials, and so would
	// refuse every order of this merchant. Its orders wait.
	Hold
	// NotNow: the order failed at the channel, and another try may succeed. The gateway may
	// have stored the failed order.
	NotNow
)

var classNames = [...]string{Doubt: "doubt", Done: "done", Refused: "refused", Busy: "busy", Hold: "hold", NotNow: "not now"}

// String returns the name of the class in lower case.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "doubt"
}

// Hint is the context of a respcd. Some codes have several meanings, and only the text of the
// answer or the request shows which one applies.
type Hint struct {
	Text string // respmsg and resperr, joined
	UDID bool   // the order carried a udid
}

// rule returns the class of a code with a hint; def is the class of its row.
type rule func(h Hint, def Class) Class

// The codes that the client itself handles. In the answer to a query, the last two mean that
// nothing was found.
const (
	success       RespCd = "0000"
	notPaidYet    RespCd = "1143"
	processing    RespCd = "1145"
	noTransaction RespCd = "1136"
	noOrder       RespCd = "1268"
)

// RefusesSignature reports whether the code says that QFPay did not take the signature of a call.
// Then it did not look at what was signed.
func (c RespCd) RefusesSignature() bool { return c == "1108" || c == "1109" || c == "2003" }

// isSuccess reports whether a code can come with a QR code that can be paid.
func (c RespCd) isSuccess() bool { return c == success || c == notPaidYet || c == processing }

var respCdRows = func() map[RespCd]*respCdRow {
	rows := make(map[RespCd]*respCdRow, len(respCdTable))
	for i := range respCdTable {
		rows[respCdTable[i].code] = &respCdTable[i]
	}
	return rows
}()

// RespCds returns every code that this package knows, in ascending order.
func RespCds() []RespCd {
	all := make([]RespCd, len(respCdTable))
	for i, r := range respCdTable {
		all[i] = r.code
	}
	return all
}

// Known reports whether QFPay documents the code, or once did.
func (c RespCd) Known() bool { return respCdRows[c] != nil }

// Meaning returns a short description of the code.
func (c RespCd) Meaning() string {
	if r := respCdRows[c]; r != nil {
		return r.meaning
	}
	return "code not documented"
}

// Class returns the meaning of the code in the answer to a create. 1143 and 1145 are Doubt
// here, but with a QR code in the answer the order counts as created (see
// [Client.CreatePayment]). An unknown code is Doubt, and so is every code whose text says that the
// order number is used: then an order stands under it, whatever the code means otherwise.
func (c RespCd) Class(h Hint) Class {
	r := respCdRows[c]
	switch {
	case r == nil, saysUsed(h.Text):
		return Doubt
	case r.rule != nil:
		return r.rule(h, r.class)
	}
	return r.class
}

// Standing returns the meaning of the code in a row of a query, without regard to the field
// cancel (see [Record.Standing]). An unknown code is Unclear.
func (c RespCd) Standing() Standing {
	if r := respCdRows[c]; r != nil {
		return r.standing
	}
	return Unclear
}

// holdOnFilterError: the FAQ of 2017 explains "filter error" as a pay type that is
// not enabled for the merchant.
func holdOnFilterError(h Hint, def Class) Class {
	if strings.Contains(strings.ToLower(h.Text), "filter error") {
		return Hold
	}
	return def
}

// refusedWithUDID: udid names the device. If the order has one, the error is in the order and
// not in the merchant's configuration.
func refusedWithUDID(h Hint, def Class) Class {
	if h.UDID {
		return Refused
	}
	return def
}

// In live traffic of 2025, 1251, which the table calls store configuration, came with
// "out_trade_no is used" and "Do not use duplicate out_trade_no". The words come in English and
// in both kinds of Chinese, and with any code. "Does not exist" and "cannot be used" say nothing
// of a number.
var (
	notUsed = regexp.MustCompile(`(not|n't|no longer|never)\s+(exist\w*|used)|\bbe\s+used`)
	used    = regexp.MustCompile(`重复|重複|已存在|已经存在|已經存在|已使用|已被使用|已用|duplicat|repeat|\bexist(s|ed|ing)?\b|\bused\b|\bin use\b|\balready\b.*out_trade_no|out_trade_no.*\balready\b`)
)

// SaysUsed reports whether the text says that the order number is used: then an order stands under
// it, whatever the code means otherwise.
func (h Hint) SaysUsed() bool { return saysUsed(h.Text) }

// saysUsed reports whether the text of an answer says that the order number is used.
func saysUsed(text string) bool {
	return used.MatchString(notUsed.ReplaceAllString(strings.ToLower(text), ""))
}

// respCdOf returns the code that a text means: a gateway that sends numbers sends 0 for 0000.
func respCdOf(text string) RespCd {
	text = strings.TrimSpace(text)
	if n := 4 - len(text); n > 0 && n < 4 && strings.Trim(text, "0123456789") == "" {
		text = strings.Repeat("0", n) + text
	}
	return RespCd(text)
}
