package qfpay

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxOutTradeNo is the greatest length of an out_trade_no: the 128 characters that QFPay allows,
// less the suffix (_2, _3, …) of a reissued order. A query also allows 128 characters for its
// whole list of order numbers, so it covers many short ones or one long one.
const MaxOutTradeNo = 124

// The limits of the other fields (public payment parameters and MPM page, 2026-02).
const (
	maxTxAmt       = 1<<31 - 1 // Int(11) in the page, which holds at least 32 bits in any reading
	minExpiredTime = 5         // minutes
	maxExpiredTime = 120
	maxGoodsName   = 256 // bytes
	maxUDID        = 40
	maxNotifyURL   = 256
	octopusUnit    = 10
	riskTxAmt      = 200 // MPM page: "Suggest value > 200 to avoid risk control"
)

// check collects the problems of an order.
type check struct {
	order Order
	rules *payTypeRules // nil if the pay type is not known
	errs  FieldErrors
}

// Validate checks an order against every rule that QFPay documents for its pay type. It
// returns nil, or [FieldErrors] with the problems of all fields. An empty txdtm is valid: it
// is set when the order is enqueued.
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
	c.rmbTag()
	c.udid()
	c.notifyURL()
	if len(c.errs) == 0 {
		return nil
	}
	return c.errs
}

// Warnings returns what is doubtful in a valid order. QFPay recommends an amount above 200 minor
// units, because its risk control may refuse smaller ones. Octopus cards count in units of HKD
// 0.10; another acquirer says so, and QFPay's pages do not. An expired_time that the wallet does
// not take is not sent.
func (o Order) Warnings() []FieldError {
	var found []FieldError
	if o.TxAmt >= 1 && o.TxAmt <= riskTxAmt {
		found = append(found, FieldError{"txamt", strconv.FormatInt(o.TxAmt, 10), "should be above 200 minor units, or risk control may refuse it"})
	}
	if o.PayType == Octopus && o.TxAmt%octopusUnit != 0 {
		found = append(found, FieldError{"txamt", strconv.FormatInt(o.TxAmt, 10), "should be a multiple of 10 for Octopus (HKD 0.10), or Octopus may refuse it"})
	}
	if o.ExpiredTime != 0 && o.PayType.Known() && !o.PayType.TakesExpiredTime() {
		found = append(found, FieldError{"expired_time", strconv.Itoa(o.ExpiredTime), "is not sent: only 800101, 801501 and 800201 take it"})
	}
	return found
}

func (c *check) fail(field, value, rule string) {
	c.errs = append(c.errs, FieldError{Field: field, Value: shorten(value), Rule: rule})
}

// shorten keeps enough of a value for a person to find it again.
func shorten(s string) string {
	const most = 40
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// outTradeNo: QFPay's Japanese reference of 2018 allows letters, digits, "_", "|" and "*".
// Hyphens work in production. A comma would split the order number in a query. All known
// wallets and channels accept the characters allowed here.
func (c *check) outTradeNo() {
	n := c.order.OutTradeNo
	switch {
	case n == "":
		c.fail("out_trade_no", "", "is required")
	case len(n) > MaxOutTradeNo || !all(n, isNumberChar):
		c.fail("out_trade_no", n, fmt.Sprintf("must be 1 to %d characters of A-Z a-z 0-9 _ -", MaxOutTradeNo))
	}
}

func (c *check) payType() {
	switch {
	case c.order.PayType == "":
		c.fail("pay_type", "", "is required")
	case c.rules == nil:
		known := make([]string, 0, len(payTypeTable))
		for _, t := range PayTypes() {
			known = append(known, string(t))
		}
		c.fail("pay_type", string(c.order.PayType), "must be one of "+strings.Join(known, ", "))
	}
}

func (c *check) txAmt() {
	if a := c.order.TxAmt; a < 1 || a > maxTxAmt {
		c.fail("txamt", strconv.FormatInt(a, 10), fmt.Sprintf("must be 1 to %d, in minor units", maxTxAmt))
	}
}

func (c *check) txCurrCd() {
	code := c.order.TxCurrCd
	allowed := anyCurrency
	of := ""
	if c.rules != nil {
		allowed, of = c.rules.currencies, " for pay_type "+string(c.rules.payType)
	}
	switch {
	case code == "":
		c.fail("txcurrcd", "", "is required")
	case !slices.Contains(allowed, code):
		c.fail("txcurrcd", code, "must be "+oneOf(allowed)+of)
	}
}

// txDtm formats the parsed time and compares, because Parse accepts more than the layout:
// fractions of a second, for example.
func (c *check) txDtm() {
	s := c.order.TxDtm
	if s == "" {
		return
	}
	if t, err := ParseDateTime(s); err != nil || FormatDateTime(t) != s {
		c.fail("txdtm", s, "must be a time as YYYY-MM-DD HH:MM:SS, in UTC+8")
	}
}

// goodsName: QFPay's page says "not more than 20 letters, digits or Chinese characters, no
// special characters", and its own samples break that rule. No payment is refused over its name
// here: see tasks.GoodsName for what is sent.
func (c *check) goodsName() {
	if n := c.order.GoodsName; !utf8.ValidString(n) || len(n) > maxGoodsName {
		c.fail("goods_name", n, "must be at most 256 bytes of UTF-8")
	}
}

func (c *check) expiredTime() {
	m := c.order.ExpiredTime
	switch {
	case m == 0:
	case m < minExpiredTime || m > maxExpiredTime:
		c.fail("expired_time", strconv.Itoa(m), "must be 5 to 120 minutes")
	}
}

func (c *check) limitPay() {
	c.choice("limit_pay", c.order.LimitPay, func(r *payTypeRules) bool { return r.limitPay }, "no_credit")
}

func (c *check) payTag() {
	c.choice("pay_tag", c.order.PayTag, func(r *payTypeRules) bool { return r.payTag }, "ALIPAYHK", "ALIPAYCN")
}

// rmbTag: QFPay's page for WeChat names it together with CNY.
func (c *check) rmbTag() {
	c.choice("rmb_tag", c.order.RMBTag, func(r *payTypeRules) bool { return r.rmbTag }, "Y")
	if c.order.RMBTag == "Y" && c.rules != nil && c.rules.rmbTag && c.order.TxCurrCd != "CNY" {
		c.fail("rmb_tag", "Y", "goes with txcurrcd CNY only")
	}
}

// choice checks an optional field with few values that only some pay types allow.
func (c *check) choice(field, value string, allowed func(*payTypeRules) bool, values ...string) {
	switch {
	case value == "":
	case c.rules != nil && !allowed(c.rules):
		c.fail(field, value, "is not taken by pay_type "+string(c.rules.payType)+"; leave it out")
	case !slices.Contains(values, value):
		c.fail(field, value, "must be "+oneOf(values))
	}
}

func (c *check) udid() {
	if u := c.order.UDID; len(u) > maxUDID || !all(u, isPrintable) {
		c.fail("udid", u, "must be at most 40 printable ASCII characters")
	}
}

// notifyURL: according to the page on notifications, QFPay calls only ports 80 and 443. A
// password in the address would be sent to QFPay and written to logs, so it is refused.
func (c *check) notifyURL() {
	s := c.order.NotifyURL
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || len(s) > maxNotifyURL || !all(s, isURLChar) || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		c.fail("notify_url", redactURL(s), "must be an http or https address of at most 256 ASCII characters")
	case u.User != nil:
		c.fail("notify_url", redactURL(s), "must not carry a user or password")
	case u.Port() != "" && u.Port() != "80" && u.Port() != "443":
		c.fail("notify_url", s, "must use port 80 or 443: QFPay calls no other")
	}
}

// redactURL removes everything before an "@", which may contain a password.
func redactURL(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return "…" + s[i:]
	}
	return s
}

func oneOf(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return "one of " + strings.Join(values, ", ")
}

// all reports whether every rune of s is of the kind.
func all(s string, kind func(rune) bool) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !kind(r) }) < 0
}

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

func isNumberChar(r rune) bool { return isAlnum(r) || r == '_' || r == '-' }
func isPrintable(r rune) bool  { return r >= ' ' && r <= '~' }
func isURLChar(r rune) bool    { return r > ' ' && r <= '~' }
