package tasks

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// asFields returns an order as a request with one field for each of its fields.
func asFields(o Order) []string {
	return []string{"merchant", o.Merchant, "out_trade_no", o.OutTradeNo, "pay_type", string(o.PayType), "txamt", "1250",
		"txcurrcd", o.TxCurrCd, "txdtm", o.TxDtm, "goods_name", o.GoodsName, "expired_time", "30", "pay_tag", o.PayTag,
		"udid", o.UDID, "notify_url", o.NotifyURL, "deadline", o.Deadline.Format(time.RFC3339), "lane", string(o.Lane)}
}

func TestRequest_EitherFormIsReadAsAnOrder(t *testing.T) {
	payload, _ := json.Marshal(validOrder())
	for name, fields := range map[string][]string{
		"JSON":       {"order", string(payload)},
		"fields":     asFields(validOrder()),
		"with blank": append(asFields(validOrder()), "limit_pay", ""),
	} {
		got, err := ParseRequest(fields)
		if diff := cmp.Diff(validOrder(), got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestRequest_TheErrorSaysWhyARequestIsNoOrder(t *testing.T) {
	good := asFields(validOrder())
	payload, _ := json.Marshal(validOrder())
	for name, c := range map[string]struct {
		fields []string
		want   []string
	}{
		"a field too many":         {append(good, "amount", "7"), []string{"amount", "is not a field of an order", "txamt"}},
		"a field too few":          {good[:4], []string{"pay_type: is required", "txamt: is required", "txcurrcd: is required"}},
		"a wrong value":            {append(append([]string{}, good[:6]...), append([]string{"txamt", "12.50"}, good[8:]...)...), []string{"txamt: must be a whole number of minor units", "12.50"}},
		"a field twice":            {append(good, "txamt", "7"), []string{"txamt", "appears more than once"}},
		"order and others":         {append(good, "order", string(payload)), []string{"order: is the whole order as JSON and must be the only field"}},
		"order twice":              {[]string{"order", string(payload), "order", string(payload)}, []string{"order: appears more than once"}},
		"order that is not JSON":   {[]string{"order", "A1"}, []string{"not JSON at byte 1"}},
		"order that is a list":     {[]string{"order", "[]"}, []string{"an order is a JSON object"}},
		"order with a wrong one":   {[]string{"order", `{"colour":1}`}, []string{"colour", "out_trade_no: is required"}},
		"a name in upper case":     {append(good, "LANE", "bulk"), []string{"LANE"}},
		"fields that are not text": {append(good, "limit_pay", "\xff\xfe"), []string{"limit_pay: is not UTF-8"}},
		"far too much":             {[]string{"goods_name", strings.Repeat("x", MaxOrderBytes)}, []string{ErrOrderTooLong.Error()}},
		"JSON that is too much":    {[]string{"order", strings.Repeat(" ", MaxOrderBytes) + "{}"}, []string{ErrOrderTooLong.Error()}},
		"nothing":                  {nil, []string{"out_trade_no: is required"}},
	} {
		_, err := ParseRequest(c.fields)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
	}
}

func TestRequest_TheTextIsAsItWasSent(t *testing.T) {
	for want, fields := range map[string][]string{
		`{"txamt":1}`:                {"order", `{"txamt":1}`},
		`{"txamt":"1","a\"b":"茶"}`:   {"txamt", "1", `a"b`, "茶"},
		`{"txamt":"1","order":"{}"}`: {"txamt", "1", "order", "{}"},
	} {
		if got := RequestText(fields); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, fields := range [][]string{{"order", strings.Repeat("茶", MaxOrderBytes)}, {"a", strings.Repeat("茶", MaxOrderBytes), "b", "c"}} {
		if got := RequestText(fields); len(got) > MaxOrderBytes+10 || !utf8.ValidString(got) {
			t.Errorf("%d bytes, valid: %t", len(got), utf8.ValidString(got))
		}
	}
}

// Any request is read either as a valid order that its task keeps unchanged, or as an error
// with a reason.
func FuzzParseRequest(f *testing.F) {
	payload, _ := json.Marshal(validOrder())
	f.Add(strings.Join(asFields(validOrder()), "\n"))
	f.Add("order\n" + string(payload))
	f.Add("order\n{}\ntxamt\n1")
	f.Add("order\n\n") // a name without a value, which Redis does not return
	f.Add("txamt\n1\ntxamt\n2")
	f.Add("order\n{}\ntraceparent\n" + aTraceparent)
	f.Add("out_trade_no\nA1\npay_type\n802001\ntxamt\n100\ntxcurrcd\nHKD")
	f.Fuzz(func(t *testing.T, text string) {
		fields := strings.Split(text, "\n")
		if len(RequestText(fields)) > MaxOrderBytes+10 {
			t.Error("the text is too long")
		}
		o, err := ParseRequest(fields)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a reason")
			}
			return
		}
		o = o.WithDefaults(time.Unix(1_772_424_000, 0))
		if err := o.Validate(); err != nil {
			t.Fatalf("read, but not valid: %v", err)
		}
		payload, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseRequest([]string{"order", string(payload), "traceparent", o.Traceparent})
		if diff := cmp.Diff(o, back); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}
