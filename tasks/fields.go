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

// field is one field of an order: its name in every format, and the function that reads its
// text. set returns the rule that the text breaks, or "".
type field struct {
	name    string
	integer bool // may be a number in JSON
	set     func(o *Order, text string) (rule string)
}

// orderFields is the one list of the fields of an order. Errors are reported in this
// sequence.
var orderFields = []field{
	{"merchant", false, func(o *Order, s string) string { o.Merchant = s; return "" }},
	{"out_trade_no", false, func(o *Order, s string) string { o.OutTradeNo = s; return "" }},
	{"pay_type", false, func(o *Order, s string) string { o.PayType = qfpay.PayType(s); return "" }},
	{"txamt", true, setTxAmt},
	{"txcurrcd", false, func(o *Order, s string) string { o.TxCurrCd = s; return "" }},
	{goodsName, false, func(o *Order, s string) string { o.GoodsName = s; return "" }},
	{"expired_time", true, setExpiredTime},
	{"limit_pay", false, func(o *Order, s string) string { o.LimitPay = s; return "" }},
	{"pay_tag", false, func(o *Order, s string) string { o.PayTag = s; return "" }},
	{"udid", false, func(o *Order, s string) string { o.UDID = s; return "" }},
	{"notify_url", false, func(o *Order, s string) string { o.NotifyURL = s; return "" }},
	{"rmb_tag", false, func(o *Order, s string) string { o.RMBTag = s; return "" }},
	{"txdtm", false, func(o *Order, s string) string { o.TxDtm = s; return "" }},
	{"deadline", false, func(o *Order, s string) string { return setTime(&o.Deadline, s) }},
	{"lane", false, func(o *Order, s string) string { o.Lane = Lane(s); return "" }},
	{notBefore, false, func(o *Order, s string) string { return setTime(&o.NotBefore, s) }},
	{"batch", false, func(o *Order, s string) string { o.Batch = s; return "" }},
}

// Fields returns the names of an order's fields: the columns of a CSV file, the keys in JSON.
func Fields() []string {
	names := make([]string, len(orderFields))
	for i, f := range orderFields {
		names[i] = f.name
	}
	return names
}

// RequiredFields returns the names of the fields that every order must have.
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

// setExpiredTime does not accept 0: in an Order 0 means that the field is absent, and QFPay
// does not accept it either.
func setExpiredTime(o *Order, s string) string {
	n, ok := wholeNumber(s)
	if !ok || n == 0 || n > math.MaxInt32 || n < math.MinInt32 {
		return "must be a whole number of minutes; omit it for QFPay's default"
	}
	o.ExpiredTime = int(n)
	return ""
}

// rfc3339 is stricter than time.Parse, which also accepts an hour of one digit and a comma
// instead of the decimal point.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

func setTime(at *time.Time, s string) string {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || !rfc3339.MatchString(s) {
		return "must be a time as RFC 3339, for example 2026-03-01T12:00:00+08:00"
	}
	*at = t.UTC()
	return ""
}

// wholeNumber reads an integer: digits, and at most a minus sign. It does not accept a
// number that is too large for an int64.
func wholeNumber(s string) (int64, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// FromFields reads an order from its fields by name, the form of a CSV row and of an entry
// of the request stream, and validates it. An empty value counts as absent, like a field
// that is not in the map. It sets no defaults: see [Order.WithDefaults].
//
// The error is a [qfpay.FieldErrors] with all wrong fields; the Order then has the fields
// that could be read.
func FromFields(fields map[string]string) (Order, error) { return read(fields, nil) }

// read is the one way from text to an order. bad holds the errors that were found before; a
// field that has one gets no second.
func read(fields map[string]string, bad qfpay.FieldErrors) (Order, error) {
	var o Order
	for _, f := range orderFields {
		if e, ok := readField(f, fields[f.name], &o); !ok && !hasError(bad, f.name) {
			bad = append(bad, e)
		}
	}
	bad = append(bad, unknownFields(fields)...)
	// The defaults are valid, so that Validate finds only wrong values, not absent ones.
	broken, _ := o.WithDefaults(time.Unix(0, 0)).Validate().(qfpay.FieldErrors)
	for _, e := range broken {
		if !hasError(bad, e.Field) {
			bad = append(bad, e)
		}
	}
	if len(bad) > 0 {
		return o, bad
	}
	return o, nil
}

// hasError reports whether an error of the field is known.
func hasError(bad qfpay.FieldErrors, name string) bool {
	return slices.ContainsFunc(bad, func(e qfpay.FieldError) bool { return e.Field == name })
}

// readField reads the text of one field into the order. Decoders replace bytes that are not
// UTF-8 with U+FFFD, so a text with U+FFFD was damaged, here or earlier. The error does not
// show it, because the original text is unknown. In a goods_name it does no harm: what is sent is
// cleaned, and no order is lost over its name.
func readField(f field, text string, o *Order) (qfpay.FieldError, bool) {
	switch {
	case text == "" && slices.Contains(RequiredFields(), f.name):
		return qfpay.FieldError{Field: f.name, Rule: "is required"}, false
	case text == "":
		return qfpay.FieldError{}, true
	case f.name == goodsName:
		text = strings.ToValidUTF8(text, "\uFFFD")
	case strings.ContainsRune(text, utf8.RuneError):
		return qfpay.FieldError{Field: f.name, Rule: "is not UTF-8"}, false
	}
	rule := f.set(o, text)
	return qfpay.FieldError{Field: f.name, Value: shorten(text), Rule: rule}, rule == ""
}

// unknownFields returns an error for each field that is not a field of an order. The first
// lists the valid names; only a few unknown fields are listed, the others are counted.
func unknownFields(fields map[string]string) (bad qfpay.FieldErrors) {
	var names []string
	for name := range fields {
		if fieldNamed(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	const most = 5
	for i, name := range names {
		rule := "is not a field of an order"
		switch {
		case i == 0:
			rule += "; the fields are " + strings.Join(Fields(), ", ")
		case i == most:
			rule += ", and there are " + strconv.Itoa(len(names)-most) + " more unknown fields"
		case i > most:
			return bad
		}
		bad = append(bad, qfpay.FieldError{Field: shorten(name), Rule: rule})
	}
	return bad
}

// shorten makes a value fit for an error message: valid UTF-8, and short.
func shorten(s string) string {
	const most = 48
	if len(s) > 4*most {
		s = s[:4*most] // the next line repairs a character that is cut in half
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
