package qfpay

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// fuzzed returns an answer as readAnswer would make it, or its error.
func fuzzed(body []byte) (request, *answer, error) {
	r := request{endpoint: payment}
	a, err := (&Client{}).readAnswer(r, exchange{status: 200, header: http.Header{}, body: body})
	return r, a, err
}

// FuzzCreateAnswer: for any answer, a Payment belongs to this order and has a QR code that can
// be drawn. Everything else is one of the known errors.
func FuzzCreateAnswer(f *testing.F) {
	f.Add([]byte(createdBody()))
	f.Add([]byte(`{"respcd":"0000","data":` + createdBody() + `}`))
	f.Add([]byte(`{"respcd":1143,"txamt":2500,"out_trade_no":"ORD_0001","qrcode":"q"}`))
	f.Add([]byte(`{"respcd":"1251","respmsg":"out_trade_no is used","syssn":20260301}`))
	f.Add([]byte(`<html>502 Bad Gateway</html>`))
	f.Add([]byte(`{"respcd":{},"qrcode":[]}`))
	f.Add([]byte(`{"respcd": 0000,"txamt":2.5e3,"out_trade_no":"ord_0001","qrcode":" q\n","syssn":false}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, a, err := fuzzed(body)
		if err != nil {
			if kind(err) != "unanswered bad_answer" {
				t.Fatal(err)
			}
			return
		}
		o := testOrder()
		p, err := readPayment(r, o, a)
		switch k := kind(err); {
		case err != nil && (strings.HasPrefix(k, "other") || k == "refusal done"):
			t.Fatal(k)
		case err != nil:
		case !strings.EqualFold(strings.TrimSpace(p.OutTradeNo), o.OutTradeNo), !sameAmount(a.text("txamt"), o.TxAmt), p.QRCode == "", !utf8.ValidString(p.QRCode):
			t.Fatalf("%+v", p)
		case p.RespCd != "0000" && p.RespCd != "1143" && p.RespCd != "1145":
			t.Fatalf("respcd %q is a payment", p.RespCd)
		}
	})
}

// FuzzQueryAnswer: every row of a page has an order number, or there is an error.
func FuzzQueryAnswer(f *testing.F) {
	f.Add([]byte(rows(oneRow)))
	f.Add([]byte(rows()))
	f.Add([]byte(`{"respcd":"1136"}`))
	f.Add([]byte(`{"respcd":"0000","page_size":-1,"data":[null,{}]}`))
	f.Add([]byte(`{"respcd":"0000","data":{"out_trade_no":"a"}}`))
	f.Add([]byte(`{"respcd": 0000,"data":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, a, err := fuzzed(body)
		if err != nil {
			return
		}
		page, err := readPage(r, a)
		if err != nil {
			if strings.HasPrefix(kind(err), "other") {
				t.Fatal(err)
			}
			return
		}
		if page.size < 1 || page.size > pageSize {
			t.Fatalf("a page of %d", page.size)
		}
		for _, row := range page.rows {
			if row.OutTradeNo == "" {
				t.Fatalf("%+v", row)
			}
			_ = row.Standing()
		}
	})
}

// FuzzValidate: Validate never panics. For a valid order, the same parameters are signed and
// sent, and no value adds a second parameter.
func FuzzValidate(f *testing.F) {
	f.Add("ORD_0001", "800101", int64(2500), "HKD", "2026-03-01 08:00:00", "珍珠奶茶", 30, "no_credit", "", "A1", "https://shop.example/n?a=1&b=2")
	f.Add("a,b", "805801", int64(-1), "hkd", "2026-02-30 08:00:00", "a&b=c", 4, "x", "ALIPAYHK", "\x00", "https://u:p@[::1]:99/")
	f.Add("", "", int64(0), "", "", "\xff", 0, "", "", "", "%zz")
	f.Fuzz(func(t *testing.T, no, payType string, amount int64, currency, at, goods string, expired int, limit, tag, udid, notify string) {
		o := Order{
			OutTradeNo: no, PayType: PayType(payType), TxAmt: amount, TxCurrCd: currency, TxDtm: at, GoodsName: goods,
			ExpiredTime: expired, LimitPay: limit, PayTag: tag, UDID: udid, NotifyURL: notify,
		}
		o.Warnings()
		if err := o.Validate(); err != nil {
			if !utf8.ValidString(err.Error()) {
				t.Fatalf("%q", err.Error())
			}
			return
		}
		p := o.params()
		sent, err := url.ParseQuery(p.form())
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range p {
			if sent.Get(name) != value || len(sent[name]) > 1 {
				t.Fatalf("%s: signed %q, sent %q", name, value, sent[name])
			}
		}
		// Only notify_url and udid may hold what the signed string uses as a separator.
		delete(p, "notify_url")
		delete(p, "udid")
		for pair := range strings.SplitSeq(p.Canonical(), "&") {
			name, value, _ := strings.Cut(pair, "=")
			if p[name] != value {
				t.Fatalf("%q reads back as %s=%q", p.Canonical(), name, value)
			}
		}
	})
}

// FuzzSignature: without the key, nobody can sign an answer.
func FuzzSignature(f *testing.F) {
	f.Add(MD5.SignText([]byte(createdBody()), testKey), "MD5", []byte(createdBody()))
	f.Add("", "", []byte(`{}`))
	f.Add("00", "SHA256", []byte(`{"data":{"a":{}}}`))
	f.Add(MD5.SignText(nil, testKey), "", []byte(`{"data":{}}`))
	f.Fuzz(func(t *testing.T, sign, signType string, body []byte) {
		h := http.Header{}
		h.Set("X-QF-SIGN", sign)
		h.Set("X-QF-SIGNTYPE", signType)
		got, _ := signatureOf(request{endpoint: payment, params: testOrder().params()}, h, body, "a key that no input of this test was signed with")
		if got == SignatureRight || (got == SignatureAbsent) != (sign == "") {
			t.Fatal(got)
		}
	})
}

// FuzzBody: whatever arrives, with whatever encoding, is read within the limit or an error.
func FuzzBody(f *testing.F) {
	f.Add("gzip", []byte("\x1f\x8b\x08\x00"))
	f.Add("deflate", []byte("x\x9c\x01"))
	f.Add("", []byte(createdBody()))
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		const limit = 1 << 10
		got, err := readBody(bytes.NewReader(body), http.Header{"Content-Encoding": {encoding}}, limit)
		if err == nil && len(got) > limit || len(got) > limit+1 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

// FuzzAmount: another notation of an amount is the same number.
func FuzzAmount(f *testing.F) {
	f.Add("2500.0", int64(2500))
	f.Add("25e2", int64(2500))
	f.Add("1e999999999", int64(1))
	f.Fuzz(func(t *testing.T, text string, amount int64) {
		plain := strconv.FormatInt(amount, 10)
		if !sameAmount(plain, amount) || !sameAmount(" 0"+plain+".00", amount) && amount >= 0 {
			t.Fatal(plain)
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && sameAmount(text, amount) != (n == amount) && len(text) <= 40 {
			t.Fatalf("%q is %d, and %d", text, n, amount)
		}
	})
}
