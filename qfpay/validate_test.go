package qfpay

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// with returns testOrder changed.
func with(change func(*Order)) Order {
	o := testOrder()
	change(&o)
	return o
}

func pay(t PayType, change func(*Order)) Order {
	return with(func(o *Order) {
		o.PayType = t
		if change != nil {
			change(o)
		}
	})
}

func TestValidate_ValidOrdersPass(t *testing.T) {
	for name, o := range map[string]Order{
		"plain":                   testOrder(),
		"only what is required":   {OutTradeNo: "a", PayType: Octopus, TxAmt: 1, TxCurrCd: "HKD"},
		"longest number":          with(func(o *Order) { o.OutTradeNo = strings.Repeat("Z", 124) }),
		"every number character":  with(func(o *Order) { o.OutTradeNo = "azAZ09_-" }),
		"largest amount":          with(func(o *Order) { o.TxAmt = 2147483647 }),
		"euro for Alipay":         with(func(o *Order) { o.TxCurrCd = "EUR" }),
		"yuan for WeChat":         pay(WeChat, func(o *Order) { o.TxCurrCd = "CNY" }),
		"PayMe":                   pay(PayMe, nil),
		"UnionPay":                pay(UnionPay, nil),
		"FPS":                     pay(FPS, nil),
		"Octopus":                 pay(Octopus, nil),
		"shortest expiry":         with(func(o *Order) { o.ExpiredTime = 5 }),
		"longest expiry":          pay(WeChat, func(o *Order) { o.ExpiredTime = 120 }),
		"expiry for AlipayHK":     pay(AlipayHK, func(o *Order) { o.ExpiredTime = 30 }),
		"mainland tag":            pay(AlipayHK, func(o *Order) { o.PayTag, o.LimitPay = "ALIPAYCN", "no_credit" }),
		"Hong Kong tag":           pay(AlipayHK, func(o *Order) { o.PayTag = "ALIPAYHK" }),
		"no credit for Alipay":    with(func(o *Order) { o.LimitPay = "no_credit" }),
		"no credit for WeChat":    pay(WeChat, func(o *Order) { o.LimitPay = "no_credit" }),
		"any name":                with(func(o *Order) { o.GoodsName = "Iced tea & чай ＡＢＣ 🍵\n" }),
		"longest name":            with(func(o *Order) { o.GoodsName = strings.Repeat("a", 256) }),
		"yen for UnionPay":        pay(UnionPay, func(o *Order) { o.TxCurrCd = "JPY" }),
		"yuan by its tag":         pay(WeChat, func(o *Order) { o.TxCurrCd, o.RMBTag = "CNY", "Y" }),
		"tag for Alipay overseas": with(func(o *Order) { o.PayTag = "ALIPAYCN" }),
		"expiry for FPS":          pay(FPS, func(o *Order) { o.ExpiredTime = 30 }),
		"mixed goods":             with(func(o *Order) { o.GoodsName = "Tea2珍珠" }),
		"longest device":          with(func(o *Order) { o.UDID = strings.Repeat("~", 40) }),
		"notify":                  with(func(o *Order) { o.NotifyURL = "https://xxx.com/notify/success?a=1&b=2" }),
		"notify on a port":        with(func(o *Order) { o.NotifyURL = "http://shop.example:80/" }),
		"notify on port 443":      with(func(o *Order) { o.NotifyURL = "https://shop.example:443/n" }),
		"leap day":                with(func(o *Order) { o.TxDtm = "2028-02-29 23:59:59" }),
		"time left to be filled":  with(func(o *Order) { o.TxDtm = "" }),
		"sample of the MPM page":  {OutTradeNo: "Native20190722145741431794b8d1", PayType: WeChat, TxAmt: 20, TxCurrCd: "HKD", TxDtm: "2019-07-22 14:57:42", GoodsName: "qfpay", ExpiredTime: 10, LimitPay: "no_credit", UDID: "AA"},
		"address of 256":          with(func(o *Order) { o.NotifyURL = "https://a.b/" + strings.Repeat("x", 244) }),
		"no currency beyond list": pay(WeChat, func(o *Order) { o.TxCurrCd = "USD" }),
	} {
		if err := o.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidate_AWrongFieldIsNamed(t *testing.T) {
	for _, row := range []struct {
		field string
		order Order
	}{
		{"out_trade_no", with(func(o *Order) { o.OutTradeNo = "" })},                                                   // required
		{"out_trade_no", with(func(o *Order) { o.OutTradeNo = strings.Repeat("Z", 125) })},                             // no room for _2
		{"out_trade_no", with(func(o *Order) { o.OutTradeNo = "a,b" })},                                                // two order numbers in a query
		{"out_trade_no", with(func(o *Order) { o.OutTradeNo = "a b" })},                                                // space
		{"out_trade_no", with(func(o *Order) { o.OutTradeNo = "订单" })},                                                 // Chinese
		{"out_trade_no", with(func(o *Order) { o.OutTradeNo = "a\n" })},                                                // control character
		{"out_trade_no", with(func(o *Order) { o.OutTradeNo = "a:b" })},                                                // parts of our own keys
		{"pay_type", with(func(o *Order) { o.PayType = "" })},                                                          // required
		{"pay_type", with(func(o *Order) { o.PayType = "800108" })},                                                    // CPM
		{"txamt", with(func(o *Order) { o.TxAmt = 0 })},                                                                // nothing to pay
		{"txamt", with(func(o *Order) { o.TxAmt = -1 })},                                                               // negative
		{"txamt", with(func(o *Order) { o.TxAmt = 2147483648 })},                                                       // beyond Int(11) as taken
		{"txcurrcd", with(func(o *Order) { o.TxCurrCd = "" })},                                                         // required
		{"txcurrcd", with(func(o *Order) { o.TxCurrCd = "hkd" })},                                                      // lower case
		{"txcurrcd", with(func(o *Order) { o.TxCurrCd = "GBP" })},                                                      // not in QFPay's list
		{"txcurrcd", pay(FPS, func(o *Order) { o.TxCurrCd = "CNY" })},                                                  // HKD only
		{"txcurrcd", pay(AlipayHK, func(o *Order) { o.TxCurrCd = "USD" })},                                             // HKD only
		{"txcurrcd", pay(PayMe, func(o *Order) { o.TxCurrCd = "USD" })},                                                // HKD only
		{"txcurrcd", pay(Octopus, func(o *Order) { o.TxCurrCd = "USD" })},                                              // HKD only
		{"txcurrcd", Order{OutTradeNo: "a", PayType: "", TxAmt: 1, TxCurrCd: "ZZZ"}},                                   // checked though pay_type is missing
		{"txdtm", with(func(o *Order) { o.TxDtm = "2026-02-30 08:00:00" })},                                            // no such day
		{"txdtm", with(func(o *Order) { o.TxDtm = "2026-03-01T08:00:00" })},                                            // RFC 3339
		{"txdtm", with(func(o *Order) { o.TxDtm = "2026-03-01 08:00:00.5" })},                                          // Parse would accept it
		{"txdtm", with(func(o *Order) { o.TxDtm = "2026-03-01 8:00:00" })},                                             // one digit
		{"goods_name", with(func(o *Order) { o.GoodsName = "tea\xff" })},                                               // not UTF-8
		{"expired_time", with(func(o *Order) { o.ExpiredTime = 4 })},                                                   // below 5
		{"expired_time", with(func(o *Order) { o.ExpiredTime = 121 })},                                                 // above 120
		{"expired_time", with(func(o *Order) { o.ExpiredTime = -5 })},                                                  // negative
		{"limit_pay", with(func(o *Order) { o.LimitPay = "credit" })},                                                  // one value only
		{"limit_pay", pay(PayMe, func(o *Order) { o.LimitPay = "no_credit" })},                                         // mainland wallets only
		{"limit_pay", pay(Octopus, func(o *Order) { o.LimitPay = "no_credit" })},                                       // mainland wallets only
		{"pay_tag", pay(AlipayHK, func(o *Order) { o.PayTag = "ALIPAY" })},                                             // two values only
		{"goods_name", with(func(o *Order) { o.GoodsName = strings.Repeat("茶", 86) })},                                 // 258 bytes
		{"rmb_tag", pay(WeChat, func(o *Order) { o.TxCurrCd, o.RMBTag = "CNY", "N" })},                                 // one value only
		{"rmb_tag", pay(WeChat, func(o *Order) { o.RMBTag = "Y" })},                                                    // CNY only
		{"rmb_tag", with(func(o *Order) { o.TxCurrCd, o.RMBTag = "CNY", "Y" })},                                        // 800201 only
		{"pay_tag", pay(WeChat, func(o *Order) { o.PayTag = "ALIPAYCN" })},                                             // Alipay only
		{"udid", with(func(o *Order) { o.UDID = strings.Repeat("a", 41) })},                                            // too long
		{"udid", with(func(o *Order) { o.UDID = "设备" })},                                                               // not ASCII
		{"udid", with(func(o *Order) { o.UDID = "a\x00" })},                                                            // not printable
		{"notify_url", with(func(o *Order) { o.NotifyURL = "shop.example/notify" })},                                   // relative
		{"notify_url", with(func(o *Order) { o.NotifyURL = "ftp://shop.example/" })},                                   // neither http nor https
		{"notify_url", with(func(o *Order) { o.NotifyURL = "https:///notify" })},                                       // no host
		{"notify_url", with(func(o *Order) { o.NotifyURL = "https://shop.example:8443/" })},                            // a port QFPay does not call
		{"notify_url", with(func(o *Order) { o.NotifyURL = "https://u:p@shop.example/" })},                             // password
		{"notify_url", with(func(o *Order) { o.NotifyURL = "https://shop.example/a b" })},                              // space
		{"notify_url", with(func(o *Order) { o.NotifyURL = "https://商店.example/" })},                                   // not ASCII
		{"notify_url", with(func(o *Order) { o.NotifyURL = "https://shop.example/" + strings.Repeat("x", 256) })},      // too long
		{"notify_url", with(func(o *Order) { o.NotifyURL = "https://shop.example/%zz" })},                              // not a URL
		{"notify_url", with(func(o *Order) { o.NotifyURL = "https://shop.example:" + strings.Repeat("4", 3) + "x/" })}, // bad port
	} {
		errs, ok := errors.AsType[FieldErrors](row.order.Validate())
		if !ok || errs[0].Field != row.field && errs[len(errs)-1].Field != row.field {
			t.Errorf("%+v: %v, want an error of %s", row.order, errs, row.field)
			continue
		}
		if len(errs) != 1 && row.order.PayType != "" {
			t.Errorf("%+v: %d errors, want 1: %v", row.order, len(errs), errs)
		}
	}
}

func TestValidate_AllErrorsComeAtOnce(t *testing.T) {
	o := Order{ExpiredTime: 1, LimitPay: "x", PayTag: "x", UDID: "\n", NotifyURL: "x", TxDtm: "x", GoodsName: "\xff", RMBTag: "x"}
	errs, _ := errors.AsType[FieldErrors](o.Validate())
	if len(errs) != 12 {
		t.Errorf("%d errors, want one for each of 12 fields: %v", len(errs), errs)
	}
}

func TestValidate_AnErrorShowsNoPasswordAndNoEndlessValue(t *testing.T) {
	o := with(func(o *Order) {
		o.OutTradeNo = strings.Repeat("茶", 1000)
		o.NotifyURL = "https://user:hunter2@shop.example/"
	})
	text := o.Validate().Error()
	if strings.Contains(text, "hunter2") || len(text) > 500 {
		t.Error(text)
	}
}

func TestWarnings_ASmallAmountIsWarnedOf(t *testing.T) {
	for amount, want := range map[int64]int{0: 0, 1: 1, 200: 1, 201: 0} {
		o := with(func(o *Order) { o.TxAmt = amount })
		if got := len(o.Warnings()); got != want {
			t.Errorf("txamt %d: %d warnings, want %d", amount, got, want)
		}
	}
}

func TestWarnings_WhatTheWalletDoesNotTakeIsWarnedOf(t *testing.T) {
	for name, c := range map[string]struct {
		order Order
		want  string
	}{
		"a cent of Octopus":      {pay(Octopus, func(o *Order) { o.TxAmt = 2501 }), "multiple of 10"},
		"ten cents of Octopus":   {pay(Octopus, func(o *Order) { o.TxAmt = 2510 }), ""},
		"a cent of FPS":          {pay(FPS, func(o *Order) { o.TxAmt = 2501 }), ""},
		"a life for FPS":         {pay(FPS, func(o *Order) { o.ExpiredTime = 30 }), "is not sent"},
		"a life for WeChat":      {pay(WeChat, func(o *Order) { o.ExpiredTime = 30 }), ""},
		"no life, and no wallet": {pay("", nil), ""},
	} {
		var said string
		for _, w := range c.order.Warnings() {
			said += w.Error()
		}
		if (c.want == "") != (said == "") || !strings.Contains(said, c.want) {
			t.Errorf("%s: %q, want %q", name, said, c.want)
		}
	}
}

func TestOrder_SendsExpiredTimeOnlyWhereItIsTaken(t *testing.T) {
	for _, p := range PayTypes() {
		o := pay(p, func(o *Order) { o.ExpiredTime = 30 })
		if _, sent := o.params()["expired_time"]; sent != (p == AlipayOverseas || p == AlipayHK || p == WeChat) {
			t.Errorf("%s: sent: %t", p, sent)
		}
	}
}

func TestDateTime_TimesAreWrittenInUTCPlus8(t *testing.T) {
	at := time.Date(2026, 2, 28, 16, 0, 0, 0, time.UTC)
	if got := FormatDateTime(at); got != "2026-03-01 00:00:00" {
		t.Error(got)
	}
	back, err := ParseDateTime("2026-03-01 00:00:00")
	if err != nil || !back.Equal(at) {
		t.Error(back, err)
	}
}
