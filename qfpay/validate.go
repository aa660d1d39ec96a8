package qfpay

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxOutTradeNo is how long an out_trade_no may be. QFPay takes 128 characters, but
// its enquiry takes 128 characters for a whole list of numbers, and only one month
// at a time: at 32 three numbers fit into one call, with room for the suffix (_2,
// _3, …) that a reissued order carries.
const MaxOutTradeNo = 32

// The limits of the other fields (public payment parameters and MPM page, 2026-02).
const (
	maxTxAmt       = 1<<31 - 1 // Int(11) in the page; 32 bits are what any reading of it holds
	minExpiredTime = 5         // minutes
	maxExpiredTime = 120
	maxGoodsName   = 20 // characters
	maxGoodsBytes  = 64 // String(64); both are stated, so both are kept
	maxUDID        = 40
	maxNotifyURL   = 256
	riskTxAmt      = 200 // MPM page: "Suggest value > 200 to avoid risk control"
)

// check collects what is wrong with an order.
type check struct {
	order Order
	rules *payTypeRules // nil when the pay type is not known
	errs  FieldErrors
}

// Validate checks an order against every rule QFPay documents for its pay type. It
// returns nil, or [FieldErrors] with everything that is wrong, all fields at once.
// An empty txdtm is right: it is filled in when the order is enqueued.
//
// Sources: public payment parameters and MPM page, as of February 2026.
func (o Order) Validate() error {
	c := check{order: o, rules: o.PayType.rules()}
	c.outTradeNo()
	c.payType()
	c.txAmt()
	c.txCurrCd()
	c.txDtm()
	c.goodsName()
	c.expiredTime()
	c.limitPay()
	c.payTag()
	c.udid()
	c.notifyURL()
	if len(c.errs) == 0 {
		return nil
	}
	return c.errs
}

// Warnings returns what is allowed but likely to be refused: QFPay advises an
// amount above 200 minor units, since smaller ones may be stopped by risk control.
func (o Order) Warnings() []FieldError {
	if o.TxAmt < 1 || o.TxAmt > riskTxAmt {
		return nil
	}
	return []FieldError{{"txamt", strconv.FormatInt(o.TxAmt, 10), "should be above 200 minor units, or risk control may refuse it"}}
}

func (c *check) fail(field, value, rule string) {
	c.errs = append(c.errs, FieldError{Field: field, Value: shorten(value), Rule: rule})
}

// shorten keeps what a person needs to find the value again.
func shorten(s string) string {
	const most = 40
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
