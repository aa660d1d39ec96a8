package simulator

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// payTypeRule holds the rules of the MPM pages for one of the seven pay types. The table in
// package qfpay was written independently from the same pages.
type payTypeRule struct {
	onlyHKD     bool // a wallet of Hong Kong
	expiredTime bool
	payTag      bool
	limitPay    bool
	refund      bool // the pages of 2025 and 2026 name none for FPS and Octopus
}

var payTypeRules = map[string]payTypeRule{
	"800101": {expiredTime: true, payTag: true, limitPay: true, refund: true},
	"801501": {onlyHKD: true, expiredTime: true, payTag: true, limitPay: true, refund: true},
	"800201": {expiredTime: true, limitPay: true, refund: true},
	"805801": {onlyHKD: true, refund: true},
	"800701": {refund: true}, // no page says HKD only
	"802001": {onlyHKD: true},
	"803701": {onlyHKD: true},
}

var currencies = []string{"AED", "AUD", "CAD", "CNY", "EUR", "HKD", "IDR", "JPY", "MMK", "MYR", "SGD", "THB", "USD"}

// tradeNumber matches the characters of the 2018 reference, and the hyphen, which works in
// production. The comma separates order numbers in a query.
var tradeNumber = regexp.MustCompile(`^[A-Za-z0-9_|*-]{1,128}$`)

// emptyParam returns the name of a parameter that was sent without a value. The current rule
// is not to send it. Older samples sign it as "name=".
func emptyParam(p qfpay.Params) string {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name] == "" {
			return name
		}
	}
	return ""
}

// missing returns the first of names that is not in p, as respmsg.
func missing(p qfpay.Params, names ...string) string {
	for _, name := range names {
		if p[name] == "" {
			return name + ": missing"
		}
	}
	return ""
}

// checkCreate returns the first problem with the parameters of a create, beginning with the
// name of the field, or "". Unknown parameters are accepted, as QFPay seems to do (its own
// scripts send some).
func checkCreate(p qfpay.Params, a Account) string {
	if m := missing(p, "txamt", "txcurrcd", "pay_type", "out_trade_no", "txdtm"); m != "" {
		return m
	}
	rule, known := payTypeRules[p["pay_type"]]
	if !known || len(a.PayTypes) > 0 && !slices.Contains(a.PayTypes, qfpay.PayType(p["pay_type"])) {
		return "filter error" // pay type not enabled for the merchant (FAQ of 2017)
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		value := p[name]
		if !utf8.ValidString(value) {
			return name + ": must be UTF-8"
		}
		if check, ok := paramChecks[name]; ok {
			if must := check(value, rule); must != "" {
				return name + ": " + must
			}
		}
	}
	if tag := p["rmb_tag"]; tag != "" && (p["pay_type"] != "800201" || tag != "Y" || p["txcurrcd"] != "CNY") {
		return "rmb_tag: must be Y, with CNY and 800201"
	}
	return ""
}

// paramChecks are the rules of each parameter of a create, by name. Each returns
// what the value must be, or "".
var paramChecks = map[string]func(value string, r payTypeRule) string{
	"txamt": func(v string, _ payTypeRule) string {
		return unless(isAmount(v), "must be a positive integer, in the smallest unit")
	},
	"txcurrcd": func(v string, r payTypeRule) string {
		return unless(slices.Contains(currencies, v) && (!r.onlyHKD || v == "HKD"), "not a currency of this pay type")
	},
	"out_trade_no": func(v string, _ payTypeRule) string {
		return unless(tradeNumber.MatchString(v), "must be 1 to 128 letters, digits, _ | * -")
	},
	"txdtm": func(v string, _ payTypeRule) string {
		_, ok := dateTime(v)
		return unless(ok, "must be YYYY-MM-DD HH:mm:ss")
	},
	"expired_time": func(v string, r payTypeRule) string {
		n, err := strconv.ParseUint(v, 10, 8)
		return unless(r.expiredTime && err == nil && n >= 5 && n <= 120, "must be 5 to 120 minutes, for Alipay and WeChat only")
	},
	"pay_tag": func(v string, r payTypeRule) string {
		return unless(r.payTag && (v == "ALIPAYHK" || v == "ALIPAYCN"), "must be ALIPAYHK or ALIPAYCN, for 800101 and 801501 only")
	},
	"limit_pay": func(v string, r payTypeRule) string {
		return unless(r.limitPay && v == "no_credit", "must be no_credit, for wallets of mainland China only")
	},
	"udid": func(v string, _ payTypeRule) string { return unless(len(v) <= 40, "must be at most 40 characters") },
	"notify_url": func(v string, _ payTypeRule) string {
		return unless(isURL(v), "must be a URL of at most 256 characters")
	},
	"auth_code": func(string, payTypeRule) string { return "not for a payment presented by the merchant" },
}

func unless(ok bool, must string) string {
	if ok {
		return ""
	}
	return must
}

// isAmount reads Int(11) as a 32-bit integer, which has at most 10 digits.
func isAmount(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && n > 0 && s == strconv.FormatInt(n, 10)
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 256 && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

const dateTimeLayout = "2006-01-02 15:04:05"

// beijing is the time zone of all of QFPay's times.
var beijing = time.FixedZone("+0800", 8*3600)

// dateTime reads a time in exactly QFPay's format.
func dateTime(s string) (time.Time, bool) {
	t, err := time.ParseInLocation(dateTimeLayout, s, beijing)
	return t, err == nil && t.Format(dateTimeLayout) == s
}

func stamp(t time.Time) string { return t.In(beijing).Format(dateTimeLayout) }
