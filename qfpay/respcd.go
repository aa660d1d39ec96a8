package qfpay

import "strings"

// RespCd is the result code of an answer.
type RespCd string

// Class is what an answer to a create means for what to do next.
type Class uint8

// The classes. Unknown codes are Doubt, never Refused: a wrong guess there is
// either a double payment or a lost one.
const (
	// Doubt: what became of the order is not known, or the number is known to the
	// gateway already. Enquire before anything else.
	Doubt Class = iota
	// Done: carried out.
	Done
	// Refused: will not succeed by repeating.
	Refused
	// Busy: not accepted; the same number may be sent again after a delay.
	Busy
	// Hold: the merchant's configuration or credentials are refused; every order
	// of this merchant would be. Its orders wait.
	Hold
)

var classNames = [...]string{Doubt: "doubt", Done: "done", Refused: "refused", Busy: "busy", Hold: "hold"}

// String returns the name of the class in lower case.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "doubt"
}

// Hint is what else an answer tells about its respcd. Some codes are overloaded,
// and only the text, or what was sent, tells which of their meanings is meant.
type Hint struct {
	Text string // respmsg and resperr, joined
	UDID bool   // the order carried a udid
}

// rule returns the class a code has in view of a hint; def is the class of its row.
type rule func(h Hint, def Class) Class

// The codes the client itself acts upon. An enquiry answered with one of the last
// two has found nothing.
const (
	success       RespCd = "0000"
	notPaidYet    RespCd = "1143"
	processing    RespCd = "1145"
	noTransaction RespCd = "1136"
	noOrder       RespCd = "1268"
)

var respCdRows = func() map[RespCd]*respCdRow {
	rows := make(map[RespCd]*respCdRow, len(respCdTable))
	for i := range respCdTable {
		rows[respCdTable[i].code] = &respCdTable[i]
	}
	return rows
}()

// RespCds returns every code this package knows, in ascending order.
func RespCds() []RespCd {
	all := make([]RespCd, len(respCdTable))
	for i, r := range respCdTable {
		all[i] = r.code
	}
	return all
}

// Known tells whether QFPay documents the code, or once did.
func (c RespCd) Known() bool { return respCdRows[c] != nil }

// Meaning says in a few words what QFPay means by the code.
func (c RespCd) Meaning() string {
	if r := respCdRows[c]; r != nil {
		return r.meaning
	}
	return "code not documented"
}

// Class says what the code means as an answer to a create. 1143 and 1145 are Doubt
// here; with a QR code in the answer the order counts as created (see
// [Client.CreatePayment]). An unknown code is Doubt.
func (c RespCd) Class(h Hint) Class {
	r := respCdRows[c]
	switch {
	case r == nil:
		return Doubt
	case r.rule != nil:
		return r.rule(h, r.class)
	}
	return r.class
}

// Standing says what the code means in a row of an enquiry, its field cancel left
// aside (see [Record.Standing]). An unknown code is Unclear.
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

// refusedWithUDID: the device is named by udid. When the order brought its own, the
// order is at fault and not the merchant's configuration.
func refusedWithUDID(h Hint, def Class) Class {
	if h.UDID {
		return Refused
	}
	return def
}

// doubtOnDuplicate: live traffic of 2025 shows 1251 with "out_trade_no is used" and
// "Do not use duplicate out_trade_no" where the table says store configuration.
func doubtOnDuplicate(h Hint, def Class) Class {
	text := strings.ToLower(h.Text)
	if strings.Contains(text, "out_trade_no") || strings.Contains(text, "duplicate") {
		return Doubt
	}
	return def
}
