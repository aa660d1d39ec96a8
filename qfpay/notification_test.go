package qfpay

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What QFPay sent in August 2025, as an open source till prints it in its tests (pos_qfpay of Odoo),
// with its order numbers. A refund was still a "cancel".
const (
	notifiedPayment = `{"cash_fee_type": "", "exchange_rate": "", "cancel": "0", "pay_type": "802808", "txdtm": "2025-08-26 17:50:34",
		"out_trade_no": "c5b4e7a0--12--3", "syssn": "20250826155400087645770447", "status": "1", "sysdtm": "2025-08-26 17:50:36",
		"paydtm": "2025-08-26 17:50:37", "goods_name": "", "txcurrcd": "HKD", "mchid": "8Bx9aHgNmaQJ", "customer_source": "HK", "cash_fee": "0",
		"chnlsn2": "", "cardcd": "", "txamt": "100", "outcardnm": "", "respcd": "0000", "goods_info": "", "notify_type": "payment", "chnlsn": "2025085675626675"}`
	notifiedRefund = `{"status": "1", "sysdtm": "2025-08-26 17:51:34", "txcurrcd": "HKD", "orig_out_trade_no": "c5b4e7a0--12--3",
		"mchid": "8Bx9jdHgmaQJ", "txdtm": "2025-08-26 17:51:34", "txamt": "100", "orig_syssn": "20250826155400087645770447",
		"out_trade_no": "2cccf6c02d4835bdb79d7c96beb95cbf", "syssn": "20250821155400847635342115", "respcd": "0000", "notify_type": "cancel"}`
)

func TestNotification_WhatQFPaySendsIsRead(t *testing.T) {
	payment := Notification{Type: NotifyPayment, OutTradeNo: "c5b4e7a0--12--3", Syssn: "20250826155400087645770447", TxAmt: 100, TxCurrCd: "HKD", PayType: "802808",
		TxDtm: "2025-08-26 17:50:34", SysDtm: "2025-08-26 17:50:36", PayDtm: "2025-08-26 17:50:37", ChnlSn: "2025085675626675", MchID: "8Bx9aHgNmaQJ"}
	refund := Notification{Type: NotifyRefund, OutTradeNo: "2cccf6c02d4835bdb79d7c96beb95cbf", Syssn: "20250821155400847635342115", TxAmt: 100, TxCurrCd: "HKD",
		TxDtm: "2025-08-26 17:51:34", SysDtm: "2025-08-26 17:51:34", MchID: "8Bx9jdHgmaQJ", OrigOutTradeNo: "c5b4e7a0--12--3", OrigSyssn: "20250826155400087645770447"}
	// The sample of QFPay's page on notifications, as of 2026.
	page := Notification{Type: NotifyPayment, OutTradeNo: "9G3ZIWTG1R3IVSC2AH2O5EGKJQ7I72QO", Syssn: "20200615000200020000641807", TxAmt: 10, TxCurrCd: "HKD", PayType: AlipayOverseas,
		TxDtm: "2020-06-15 10:32:58", SysDtm: "2020-06-15 10:32:58", PayDtm: "2020-06-15 10:33:35", ChnlSn: "2020061522001453561406303428", MchID: "O37MRh6Qq5"}
	for _, c := range []struct {
		why, body string
		want      Notification
	}{
		{"a payment", notifiedPayment, payment},
		{"a refund of 2025", notifiedRefund, refund},
		{"a refund of 2026", strings.Replace(notifiedRefund, `"cancel"}`, `"refund"}`, 1), refund},
		{"numbers instead of texts", strings.NewReplacer(`"100"`, `100.0`, `"0000"`, `0000`, `"1"`, `1`).Replace(notifiedPayment), payment},
		{"without a status", strings.Replace(notifiedPayment, `"status": "1", `, "", 1), payment},
		{"a byte order mark", "\xef\xbb\xbf" + notifiedPayment, payment},
		{"the page's sample", `{"status": "1", "pay_type": "800101", "sysdtm": "2020-06-15 10:32:58", "paydtm": "2020-06-15 10:33:35", "goods_name": "", "txcurrcd": "HKD", "txdtm": "2020-06-15 10:32:58", "mchid": "O37MRh6Qq5", "txamt": "10", "exchange_rate": "", "chnlsn2": "", "out_trade_no": "9G3ZIWTG1R3IVSC2AH2O5EGKJQ7I72QO", "syssn": "20200615000200020000641807", "cash_fee_type": "", "cancel": "0", "respcd": "0000", "goods_info": "", "cash_fee": "0", "notify_type": "payment", "chnlsn": "2020061522001453561406303428", "cardcd": "2088032341453564"}`, page},
	} {
		got, err := ParseNotification([]byte(c.body))
		if d := cmp.Diff(c.want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", c.why, err, d)
		}
	}
	if payment.Order() != "c5b4e7a0--12--3" || refund.Order() != payment.Order() {
		t.Errorf("they are about %q and %q", payment.Order(), refund.Order())
	}
}

func TestNotification_WhatIsNoneIsNamedAndNotQuoted(t *testing.T) {
	replaced := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(notifiedPayment) }
	for _, c := range []struct{ why, body, says string }{
		{"nothing", "", "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"a list", "[" + notifiedPayment + "]", "not a JSON object"},
		{"half of one", notifiedPayment[:200], "not a JSON object"},
		{"two of them", notifiedPayment + notifiedPayment, "not a JSON object"},
		{"a form", "status=1&notify_type=payment", "not a JSON object"},
		{"too long", strings.Repeat(" ", MaxNotification) + notifiedPayment, "more than 65536"},
		{"wrapped", `{"respcd":"0000","data":` + notifiedPayment + `}`, "notify_type is not"},
		// It is signed like a notification, and says 0000 of a code that nobody has paid.
		{"the answer to a create", createdBody(), "notify_type is not"},
		{"no type", replaced(`"notify_type"`, `"type"`), "notify_type is not"},
		{"another type", replaced(`"payment"`, `"settlement"`), "notify_type is not"},
		{"not a success", replaced(`"0000"`, `"1143"`), "respcd is not 0000"},
		{"no respcd", replaced(`"respcd"`, `"code"`), "respcd is not 0000"},
		{"status 0", replaced(`"status": "1"`, `"status": "0"`), "status is not 1"},
		{"no order number", replaced(`"c5b4e7a0--12--3"`, `" "`), "out_trade_no is missing"},
		{"a long order number", replaced("c5b4e7a0", strings.Repeat("c", 128)), "out_trade_no is missing or too long"},
		{"a newline in it", replaced("c5b4e7a0", `c5\nb4`), "out_trade_no is missing or too long"},
		{"a long original", strings.Replace(notifiedRefund, "c5b4e7a0", strings.Repeat("c", 128), 1), "orig_out_trade_no is too long"},
		{"no syssn", replaced(`"20250826155400087645770447"`, `null`), "syssn is missing"},
		{"no amount", replaced(`"txamt": "100"`, `"txamt": ""`), "txamt is not"},
		{"an amount of 0", replaced(`"txamt": "100"`, `"txamt": "0"`), "txamt is not"},
		{"less than 0", replaced(`"txamt": "100"`, `"txamt": "-100"`), "txamt is not"},
		{"half a cent", replaced(`"txamt": "100"`, `"txamt": 100.5`), "txamt is not"},
		{"a huge amount", replaced(`"txamt": "100"`, `"txamt": "1e40"`), "txamt is not"},
		{"an amount in an object", replaced(`"txamt": "100"`, `"txamt": {"c5b4e7a0": 1}`), "txamt is neither text nor a number"},
		{"no currency", replaced(`"HKD"`, `""`), "txcurrcd is missing"},
	} {
		got, err := ParseNotification([]byte(c.body))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "c5b4") || got != (Notification{}) {
			t.Errorf("%s: %+v, %v, want …%s…", c.why, got, err, c.says)
		}
	}
}

func TestNotification_MatchesTheOrderThatItIsAbout(t *testing.T) {
	o := Order{TxAmt: 2500, TxCurrCd: "HKD"}
	for _, c := range []struct {
		n    Notification
		want bool
	}{
		{Notification{Type: NotifyPayment, TxAmt: 2500, TxCurrCd: "HKD"}, true},
		{Notification{Type: NotifyPayment, TxAmt: 2500, TxCurrCd: "344"}, true}, // its number in ISO 4217
		{Notification{Type: NotifyPayment, TxAmt: 2499, TxCurrCd: "HKD"}, false},
		{Notification{Type: NotifyPayment, TxAmt: 2501, TxCurrCd: "HKD"}, false},
		{Notification{Type: NotifyPayment, TxAmt: 2500, TxCurrCd: "CNY"}, false},
		{Notification{Type: NotifyPayment, TxAmt: 2500}, false},
		{Notification{Type: NotifyRefund, TxAmt: 2500, TxCurrCd: "HKD"}, true},
		{Notification{Type: NotifyRefund, TxAmt: 1, TxCurrCd: "HKD"}, true},
		{Notification{Type: NotifyRefund, TxAmt: 2501, TxCurrCd: "HKD"}, false},
		{Notification{Type: NotifyRefund, TxAmt: 2500, TxCurrCd: "USD"}, false},
	} {
		if got := c.n.Matches(o); got != c.want {
			t.Errorf("%+v: %t", c.n, got)
		}
	}
}

func TestNotification_TheSignatureIsMD5OfTheBytesAndTheKey(t *testing.T) {
	seen := 0
	for _, v := range vectors(t) {
		if v.Kind != "notification_body" {
			continue
		}
		seen++
		body, key := []byte(v.Body), Secret(v.Key)
		if !VerifyNotification(body, v.MD5, key) || !VerifyNotification(body, strings.ToLower(v.MD5), key) {
			t.Errorf("%s: the signature is not right", v.Name)
		}
		if n, err := ParseNotification(body); err != nil || n.OutTradeNo != "ORD_0002" || n.TxAmt != 2500 {
			t.Errorf("%s: %+v, %v", v.Name, n, err)
		}
		for why, wrong := range map[string]bool{
			"SHA256":           VerifyNotification(body, v.SHA256, key),
			"of another key":   VerifyNotification(body, v.MD5, key+"?"),
			"of other bytes":   VerifyNotification(append([]byte(" "), body...), v.MD5, key),
			"none":             VerifyNotification(body, "", key),
			"half of it":       VerifyNotification(body, v.MD5[:16], key),
			"without any key":  VerifyNotification(body, MD5.SignText(body, ""), ""),
			"with a newline":   VerifyNotification(body, v.MD5+"\n", key),
			"of the key alone": VerifyNotification(body, MD5.SignText(nil, key), key),
		} {
			if wrong {
				t.Errorf("%s: a signature %s is right", v.Name, why)
			}
		}
	}
	if seen != 3 {
		t.Errorf("%d vectors, want 3", seen)
	}
}

// FuzzNotification: what is read of any body can be looked up and published, and without the key nobody signs one.
func FuzzNotification(f *testing.F) {
	f.Add([]byte(notifiedPayment), MD5.SignText([]byte(notifiedPayment), testKey))
	f.Add([]byte(notifiedRefund), "")
	f.Add([]byte(`{"notify_type":"refund","respcd":0,"out_trade_no":7,"syssn":1e3,"txamt":1e2,"txcurrcd":"HKD"}`), "00")
	f.Fuzz(func(t *testing.T, body []byte, sign string) {
		if VerifyNotification(body, sign, "a key that no input of this test was signed with") {
			t.Fatal("forged")
		}
		n, err := ParseNotification(body)
		if err != nil {
			return
		}
		if !isNumber(n.OutTradeNo) || !isNumber(n.Syssn) || n.TxAmt < 1 || n.TxCurrCd == "" || n.Type != NotifyPayment && n.Type != NotifyRefund {
			t.Fatalf("%+v", n)
		}
		if n.Type == NotifyPayment && n.Order() != n.OutTradeNo {
			t.Fatalf("%+v", n)
		}
	})
}
