package qfpay

import (
	"errors"
	"fmt"
	"strings"
)

// MaxNotification is the longest notification that is read, in bytes. QFPay's have less than one KiB.
const MaxNotification = 64 << 10

// NotifyType is what a notification is about.
type NotifyType string

// The types of notifications. QFPay notifies of successes only; that a code has run out, nobody is told.
const (
	NotifyPayment NotifyType = "payment"
	NotifyRefund  NotifyType = "refund" // "cancel" until January 2026
)

// Notification is what QFPay posts when an order was paid or a payment refunded. It may come late,
// more than once, before the answer to the create, and not at all.
type Notification struct {
	Type       NotifyType
	OutTradeNo string // of the payment; of a refund, the refund's own
	Syssn      string // the same. With Type, it is the same in each copy of a notification, and in no other
	TxAmt      int64  // in minor units; what was refunded, of a refund
	TxCurrCd   string
	PayType    PayType // empty in refunds
	TxDtm      string
	SysDtm     string
	PayDtm     string // when the customer paid, UTC+8; empty in refunds
	ChnlSn     string
	MchID      string // of the store; agents, which have one address for all their stores, need it

	OrigOutTradeNo string // of the payment that a refund is of; not documented, and may be empty
	OrigSyssn      string // the same
}

// Order returns the order number of the payment that the notification is about, or "" when a refund
// does not name it.
func (n Notification) Order() string {
	if n.Type == NotifyRefund {
		return n.OrigOutTradeNo
	}
	return n.OutTradeNo
}

// Matches reports whether the notification can be about o: the currency is the same, and the amount is
// the order's, or of a refund no more than it.
func (n Notification) Matches(o Order) bool {
	return sameCurrency(n.TxCurrCd, o.TxCurrCd) && (n.TxAmt == o.TxAmt || n.Type == NotifyRefund && n.TxAmt < o.TxAmt)
}

// VerifyNotification reports whether sign, the header X-QF-SIGN, is QFPay's signature of a
// notification: MD5 over the bytes of the body and the key, also for merchants that sign with SHA256.
// Only the bytes as they were received count: the same JSON written again has another signature. An
// empty key verifies nothing.
func VerifyNotification(body []byte, sign string, key Secret) bool {
	return key != "" && SameSignature(sign, MD5.SignText(body, key))
}

// ParseNotification reads the body of a notification. Verify it first: the text alone proves nothing.
// Values are text or numbers, and unknown fields are ignored: QFPay adds some. The error names the
// field that is wrong, and quotes nothing of the body.
func ParseNotification(body []byte) (Notification, error) {
	if len(body) > MaxNotification {
		return Notification{}, fmt.Errorf("the notification has %d bytes, more than %d", len(body), MaxNotification)
	}
	m, err := parseObject(body)
	if err != nil {
		return Notification{}, errors.New("the notification is not a JSON object")
	}
	m.data = nil
	field := func(name string) string { return strings.TrimSpace(m.value(name)) }
	amount, isAmount := amountOf(m.value("txamt"))
	n := Notification{
		Type: NotifyType(field("notify_type")), OutTradeNo: field("out_trade_no"), Syssn: field("syssn"),
		TxAmt: amount, TxCurrCd: field("txcurrcd"), PayType: PayType(field("pay_type")), MchID: field("mchid"),
		OrigOutTradeNo: field("orig_out_trade_no"), OrigSyssn: field("orig_syssn"),
		TxDtm: m.text("txdtm"), SysDtm: m.text("sysdtm"), PayDtm: m.text("paydtm"), ChnlSn: m.text("chnlsn"),
	}
	if n.Type == "cancel" {
		n.Type = NotifyRefund
	}
	respCd, status := respCdOf(m.value("respcd")), field("status")
	if m.err != nil {
		return Notification{}, fmt.Errorf("the notification is not valid: %w", m.err)
	}
	for _, must := range []struct {
		ok         bool
		name, rule string
	}{
		// The answer to a create is signed in the same way, says 0000, and has all fields but this one.
		{n.Type == NotifyPayment || n.Type == NotifyRefund, "notify_type", "is not payment, refund or cancel"},
		{respCd == success, "respcd", "is not 0000: QFPay notifies of successes only"},
		{status == "" || status == "1", "status", "is not 1: QFPay notifies of successes only"},
		{isNumber(n.OutTradeNo), "out_trade_no", "is missing or too long"},
		{n.OrigOutTradeNo == "" || isNumber(n.OrigOutTradeNo), "orig_out_trade_no", "is too long"},
		{isNumber(n.Syssn), "syssn", "is missing or too long"},
		{isAmount && amount > 0, "txamt", "is not a whole number above 0"},
		{n.TxCurrCd != "", "txcurrcd", "is missing"},
	} {
		if !must.ok {
			return Notification{}, fmt.Errorf("the notification is not valid: %s %s", must.name, must.rule)
		}
	}
	return n, nil
}

// isNumber reports whether text can be an out_trade_no or a syssn of QFPay.
func isNumber(text string) bool {
	return text != "" && len(text) <= maxNumbers && all(text, isPrintable)
}
