package simulator

import (
	"strings"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestCheck_AWrongParameterIsNamed(t *testing.T) {
	for _, test := range []struct {
		why    string
		change []string
		field  string // "": accepted
	}{
		{"no number", []string{"txamt", "-"}, "txamt"},
		{"zero", []string{"txamt", "0"}, "txamt"},
		{"not whole", []string{"txamt", "1.50"}, "txamt"},
		{"a leading zero", []string{"txamt", "01"}, "txamt"},
		{"a sign", []string{"txamt", "+1"}, "txamt"},
		{"the largest", []string{"txamt", "2147483647"}, ""},
		{"larger", []string{"txamt", "2147483648"}, "txamt"},
		{"lower case", []string{"txcurrcd", "hkd"}, "txcurrcd"},
		{"not on QFPay's list", []string{"txcurrcd", "GBP"}, "txcurrcd"},
		{"overseas Alipay in yen", []string{"txcurrcd", "JPY"}, ""},
		{"a wallet of Hong Kong in yen", []string{"txcurrcd", "JPY", "pay_type", "802001"}, "txcurrcd"},
		{"a pay type not enabled", []string{"pay_type", "800108"}, "filter error"},
		{"a comma separates numbers", []string{"out_trade_no", "a,b"}, "out_trade_no"},
		{"every character allowed", []string{"out_trade_no", "aZ09_|*-"}, ""},
		{"128 characters", []string{"out_trade_no", strings.Repeat("n", 128)}, ""},
		{"129", []string{"out_trade_no", strings.Repeat("n", 129)}, "out_trade_no"},
		{"no such day", []string{"txdtm", "2026-02-30 12:00:00"}, "txdtm"},
		{"no time", []string{"txdtm", "2026-02-03"}, "txdtm"},
		{"one digit too few", []string{"txdtm", "2026-02-03 1:00:00"}, "txdtm"},
		{"too short a life", []string{"expired_time", "4"}, "expired_time"},
		{"the shortest", []string{"expired_time", "5"}, ""},
		{"the longest", []string{"expired_time", "120"}, ""},
		{"too long a life", []string{"expired_time", "121"}, "expired_time"},
		{"PayMe takes none", []string{"expired_time", "10", "pay_type", "805801"}, "expired_time"},
		{"20 Chinese characters", []string{"goods_name", strings.Repeat("测", 20)}, ""},
		{"21 letters", []string{"goods_name", strings.Repeat("g", 21)}, "goods_name"},
		{"a special character", []string{"goods_name", "Tea & cake"}, "goods_name"},
		{"AlipayHK has a tag", []string{"pay_type", "801501", "pay_tag", "ALIPAYCN"}, ""},
		{"and Alipay overseas", []string{"pay_tag", "ALIPAYCN"}, ""},
		{"no other has", []string{"pay_type", "800201", "pay_tag", "ALIPAYCN"}, "pay_tag"},
		{"the name in the PayMe sample", []string{"goods_name", "qfpay_payme"}, ""},
		{"UnionPay in yen", []string{"pay_type", "800701", "txcurrcd", "JPY"}, ""},
		{"only one value", []string{"limit_pay", "no_debit"}, "limit_pay"},
		{"WeChat is of the mainland", []string{"pay_type", "800201", "limit_pay", "no_credit"}, ""},
		{"Octopus is not", []string{"pay_type", "803701", "limit_pay", "no_credit"}, "limit_pay"},
		{"a device name too long", []string{"udid", strings.Repeat("u", 41)}, "udid"},
		{"a URL without a scheme", []string{"notify_url", "example.com/x"}, "notify_url"},
		{"a URL", []string{"notify_url", "https://example.com/x?y=1"}, ""},
		{"a code of the customer's", []string{"auth_code", "28"}, "auth_code"},
		{"a wallet in RMB", []string{"pay_type", "800201", "txcurrcd", "CNY", "rmb_tag", "Y"}, ""},
		{"but in CNY only", []string{"pay_type", "800201", "rmb_tag", "Y"}, "rmb_tag"},
		{"not UTF-8", []string{"trade_name", "\xff"}, "trade_name"},
		{"parameters that QFPay does not name", []string{"trade_name", "x", "txzone", "+0800"}, ""},
	} {
		t.Run(test.why, func(t *testing.T) {
			g := still(Config{})
			if test.field == "" {
				expect(t, g, "payment", order("A1", test.change...), "0000")
				return
			}
			r := expect(t, g, "payment", order("A1", test.change...), "1104")
			if msg := r.str("respmsg"); !strings.HasPrefix(msg, test.field) {
				t.Errorf("respmsg %q does not name %s", msg, test.field)
			}
			if len(g.Orders()) != 0 {
				t.Error("an order was stored")
			}
		})
	}
}

func TestCheck_AnEmptyOrMissingParameterIsNamed(t *testing.T) {
	for _, name := range []string{"txamt", "txcurrcd", "pay_type", "out_trade_no", "txdtm"} {
		p := order("A1")
		delete(p, name)
		if r := expect(t, still(Config{}), "payment", p, "1104"); r.str("respmsg") != name+": missing" {
			t.Error(r.raw)
		}
	}
	// Sent without a value: the signature is right by the newest rule, and still.
	if r := expect(t, still(Config{}), "payment", order("A1", "udid", ""), "1104"); r.str("respmsg") != "udid: must not be empty" {
		t.Error(r.raw)
	}
}

func TestCheck_APayTypeMustBeEnabledForTheMerchant(t *testing.T) {
	g := still(Config{Merchants: []Account{{AppCode: SampleAppCode, Key: SampleKey, PayTypes: []qfpay.PayType{qfpay.FPS}}}})
	expect(t, g, "payment", order("A1", "pay_type", "802001"), "0000")
	if r := expect(t, g, "payment", order("A2"), "1104"); r.str("respmsg") != "filter error" {
		t.Error(r.raw)
	}
}
