package qfpay

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// outTradeNo: QFPay's Japanese reference of 2018 allows letters, digits, "_", "|"
// and "*"; hyphens work in production. A comma would split the number in an
// enquiry, and no wallet or channel is known to mind the alphabet taken here.
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

// txDtm writes the time back and compares, since Parse is more lenient than the
// layout: it takes fractions of a second.
func (c *check) txDtm() {
	s := c.order.TxDtm
	if s == "" {
		return
	}
	if t, err := ParseDateTime(s); err != nil || FormatDateTime(t) != s {
		c.fail("txdtm", s, "must be a time as YYYY-MM-DD HH:MM:SS, in UTC+8")
	}
}

// goodsName: "not more than 20 letters, digits or Chinese characters, no special
// characters". That is taken at its word: no spaces, no full-width forms and no
// letters of other scripts, which the reference of 2018 lists as refused.
func (c *check) goodsName() {
	n := c.order.GoodsName
	if n == "" {
		return
	}
	if !utf8.ValidString(n) || utf8.RuneCountInString(n) > maxGoodsName || len(n) > maxGoodsBytes || !all(n, isGoodsChar) {
		c.fail("goods_name", n, "must be at most 20 letters (A-Z a-z), digits or Chinese characters, at most 64 bytes, no spaces or symbols")
	}
}

func (c *check) expiredTime() {
	m := c.order.ExpiredTime
	switch {
	case m == 0:
	case c.rules != nil && !c.rules.expiredTime:
		c.fail("expired_time", strconv.Itoa(m), "is not taken by pay_type "+string(c.rules.payType)+"; leave it out")
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

// choice checks an optional field that only some pay types take, with few values.
func (c *check) choice(field, value string, taken func(*payTypeRules) bool, values ...string) {
	switch {
	case value == "":
	case c.rules != nil && !taken(c.rules):
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

// notifyURL: the port rule is from the page on notifications, which says QFPay
// calls ports 80 and 443 only. A password in the address would be sent to QFPay and
// written into logs, so there may be none.
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

// redactURL drops everything before an "@", where a password may stand.
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
