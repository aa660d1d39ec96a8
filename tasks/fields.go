package tasks

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// field is one field of an order: its name on every wire, and how its text is
// read. set returns the rule that the text breaks, or "".
type field struct {
	name    string
	integer bool // JSON may give it as a number
	set     func(o *Order, text string) (rule string)
}

// orderFields is the one list of what an order may say, in the order in which
// errors are reported.
var orderFields = []field{
	{"merchant", false, func(o *Order, s string) string { o.Merchant = s; return "" }},
	{"out_trade_no", false, func(o *Order, s string) string { o.OutTradeNo = s; return "" }},
	{"pay_type", false, func(o *Order, s string) string { o.PayType = qfpay.PayType(s); return "" }},
	{"txamt", true, setTxAmt},
	{"txcurrcd", false, func(o *Order, s string) string { o.TxCurrCd = s; return "" }},
	{"goods_name", false, func(o *Order, s string) string { o.GoodsName = s; return "" }},
	{"expired_time", true, setExpiredTime},
	{"limit_pay", false, func(o *Order, s string) string { o.LimitPay = s; return "" }},
	{"pay_tag", false, func(o *Order, s string) string { o.PayTag = s; return "" }},
	{"udid", false, func(o *Order, s string) string { o.UDID = s; return "" }},
	{"notify_url", false, func(o *Order, s string) string { o.NotifyURL = s; return "" }},
	{"txdtm", false, func(o *Order, s string) string { o.TxDtm = s; return "" }},
	{"deadline", false, setDeadline},
	{"lane", false, func(o *Order, s string) string { o.Lane = Lane(s); return "" }},
}

// Fields returns the names of an order's fields: the columns a CSV file may have,
// the keys of an order in JSON.
func Fields() []string {
	names := make([]string, len(orderFields))
	for i, f := range orderFields {
		names[i] = f.name
	}
	return names
}

// RequiredFields returns the names of the fields without which no order is valid.
func RequiredFields() []string {
	return []string{"out_trade_no", "pay_type", "txamt", "txcurrcd"}
}

// fieldNamed returns the field of that name, or nil.
func fieldNamed(name string) *field {
	i := slices.IndexFunc(orderFields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &orderFields[i]
}

func setTxAmt(o *Order, s string) string {
	n, ok := wholeNumber(s)
	if !ok {
		return "must be a whole number of minor units (100 is HKD 1.00), digits only"
	}
	o.TxAmt = n
	return ""
}

// setExpiredTime refuses an explicit 0: in an Order 0 means that the field is
// absent, and QFPay takes no such value.
func setExpiredTime(o *Order, s string) string {
	n, ok := wholeNumber(s)
	if !ok || n == 0 || n > math.MaxInt32 || n < math.MinInt32 {
		return "must be a whole number of minutes; leave it out for QFPay's default"
	}
	o.ExpiredTime = int(n)
	return ""
}

// rfc3339 is stricter than time.Parse, which also takes an hour of one digit and a
// comma for a point.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

func setDeadline(o *Order, s string) string {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || !rfc3339.MatchString(s) {
		return "must be a time as RFC 3339, for example 2026-03-01T12:00:00+08:00"
	}
	o.Deadline = t.UTC()
	return ""
}

// wholeNumber reads an integer as people and JSON write it: digits, and a minus
// sign at most. What is too large for an int64 is not a number anybody means.
func wholeNumber(s string) (int64, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// shorten makes a value fit to be shown in an error: UTF-8, and not long.
func shorten(s string) string {
	const most = 48
	if len(s) > 4*most {
		s = s[:4*most] // cutting a character in half is mended by the next line
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
