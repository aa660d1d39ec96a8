package qfpay

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCreate_APaymentIsCreated(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(createdBody()))
	got, err := c.CreatePayment(t.Context(), testOrder(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Payment{
		OutTradeNo: "ORD_0001", QRCode: "https://qr.alipay.com/bax03190uxd47wbekffy6033",
		Syssn: "20260301066200020000976054", RespCd: "0000", RespErr: "success",
		TxDtm: "2026-03-01 08:00:00", SysDtm: "2026-03-01 08:00:03", ChnlSn: "CH1",
		Signature: SignatureAbsent, Body: []byte(createdBody()),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"0000"}, g.results()); diff != "" {
		t.Error(diff)
	}
}

func TestCreate_TheRequestIsAsQFPayAsks(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(createdBody()))
	c.Merchant.MchID = "lkbqahlRYj"
	o := with(func(o *Order) { o.UDID, o.NotifyURL, o.ExpiredTime = "a+b c", "https://shop.example/n?a=1&b=%2F", 10 })
	if _, err := c.CreatePayment(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	r := g.received()[0]
	sent := Params{}
	for name, values := range r.form {
		sent[name] = values[0]
	}
	want := Params{
		"out_trade_no": "ORD_0001", "pay_type": "800101", "txamt": "2500", "txcurrcd": "HKD", "txdtm": "2026-03-01 08:00:00",
		"goods_name": "珍珠奶茶", "udid": "a+b c", "notify_url": "https://shop.example/n?a=1&b=%2F", "expired_time": "10", "mchid": "lkbqahlRYj",
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Error(diff)
	}
	if r.path != "/trade/v1/payment" || r.length <= 0 || len(r.chunks) != 0 {
		t.Errorf("path %s, Content-Length %d, Transfer-Encoding %v", r.path, r.length, r.chunks)
	}
	headers := []string{r.header.Get("X-QF-APPCODE"), r.header.Get("X-QF-SIGNTYPE"), r.header.Get("X-QF-SIGN"), r.header.Get("Content-Type"), r.header.Get("Accept-Encoding")}
	if diff := cmp.Diff([]string{"APP", "SHA256", SHA256.Sign(sent, testKey), "application/x-www-form-urlencoded; charset=UTF-8", ""}, headers); diff != "" {
		t.Error(diff)
	}
}

func TestSign_MD5IsUsedForAMerchantThatUsesIt(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(createdBody()))
	c.Merchant.SignType = MD5
	if _, err := c.CreatePayment(t.Context(), testOrder(), nil); err != nil {
		t.Fatal(err)
	}
	h := g.received()[0].header
	if h.Get("X-QF-SIGN") != MD5.Sign(testOrder().params(), testKey) || h.Get("X-QF-SIGNTYPE") != "MD5" {
		t.Error(h)
	}
}

func TestCreate_EveryAnswerIsRead(t *testing.T) {
	t.Parallel()
	qr := `"https://qr.alipay.com/bax03190uxd47wbekffy6033"`
	for _, row := range []struct {
		why, body, want string
	}{
		{"amount as a number", createdBody(`"2500"`, `2500`), "ok"},
		{"null is empty", createdBody(`"chnlsn": "CH1"`, `"chnlsn": null`), "ok"},
		{"unknown fields of any type are ignored", createdBody(`"udid"`, `"payme": {"a": [1]}, "x": true, "udid"`), "ok"},
		{"wrapped in data", `{"respcd":"0000","data":` + createdBody() + `}`, "ok"},
		{"data is no object", createdBody(`"udid"`, `"data": [], "udid"`), "ok"},
		{"1143 with a QR code", createdBody(`"0000"`, `"1143"`), "ok"},
		{"1145 with a QR code", createdBody(`"0000"`, `"1145"`), "ok"},
		{"no pay_type", createdBody(`"pay_type": "800101", `, ``), "ok"},
		{"QR code beyond 512", createdBody(qr, `"`+strings.Repeat("q", 2048)+`"`), "ok"},

		{"1143 without one", createdBody(`"0000"`, `"1143"`, qr, `""`), "refusal doubt"},
		{"1145 without one", createdBody(`"0000"`, `"1145"`, qr, `null`), "refusal doubt"},
		{"0000 without one", createdBody(qr, `""`), "unanswered no_qrcode"},
		{"another order", createdBody("ORD_0001", "ORD_0002"), "unanswered wrong_echo"},
		{"another amount", createdBody(`"2500"`, `"2501"`), "unanswered wrong_echo"},
		{"another currency", createdBody(`"HKD"`, `"CNY"`), "unanswered wrong_echo"},
		{"another pay type", createdBody(`"800101"`, `"800201"`), "unanswered wrong_echo"},
		{"no out_trade_no", createdBody(`"out_trade_no"`, `"x"`), "unanswered wrong_echo"},
		{"no txamt", createdBody(`"txamt"`, `"x"`), "unanswered wrong_echo"},
		{"a refusal of another order", `{"respcd":"1103","out_trade_no":"ORD_0002"}`, "unanswered wrong_echo"},
		{"QR code that cannot be drawn", createdBody(qr, `"`+strings.Repeat("q", 2049)+`"`), "unanswered bad_answer"},
		{"QR code with a control character", createdBody(qr, `"a\u0000"`), "unanswered bad_answer"},
		{"QR code that was not UTF-8", createdBody(qr, "\"a\xff\""), "unanswered bad_answer"},
		{"QR code is an object", createdBody(qr, `{}`), "unanswered bad_answer"},

		{"empty", ``, "unanswered bad_answer"},
		{"not JSON", `<html>502</html>`, "unanswered bad_answer"},
		{"null", `null`, "unanswered bad_answer"},
		{"a list", `[]`, "unanswered bad_answer"},
		{"cut off", createdBody()[:200], "unanswered bad_answer"},
		{"something after it", createdBody() + "x", "unanswered bad_answer"},
		{"no respcd", createdBody(`"respcd"`, `"x"`), "unanswered bad_answer"},
		{"empty respcd", createdBody(`"0000"`, `""`), "unanswered bad_answer"},
		{"respcd is a list", createdBody(`"0000"`, `["0000"]`), "unanswered bad_answer"},
		{"names are matched as written", createdBody(`"respcd"`, `"RespCd"`), "unanswered bad_answer"},
		{"the last of two counts", createdBody(`"surcharge_fee": 0`, `"respcd": "1103"`), "ok"},
		{"too long", createdBody(`"udid"`, `"x":"`+strings.Repeat("x", 64<<10)+`","udid"`), "unanswered bad_answer"},

		{"too long with nothing in it", createdBody() + strings.Repeat(" ", 64<<10), "unanswered bad_answer"},

		{"parameter error", `{"resperr":"(1104)","respcd":"1104","respmsg":""}`, "refusal refused"},
		{"pay type not enabled", `{"resperr":"","respcd":"1104","respmsg":"filter error"}`, "refusal hold"},
		{"respcd as a number", `{"respcd":1103}`, "refusal refused"},
		{"signature error", `{"respcd":"1108"}`, "refusal hold"},
		{"duplicate", `{"respcd":"1102"}`, "refusal doubt"},
		{"duplicate in the text", `{"respcd":"1251","respmsg":"out_trade_no is used"}`, "refusal doubt"},
		{"store configuration", `{"respcd":"1251"}`, "refusal hold"},
		{"device, and the order names none", `{"respcd":"1106"}`, "refusal hold"},
		{"maintenance", `{"respcd":"1100"}`, "refusal busy"},
		{"maintenance, but the order is stored", `{"respcd":"1100","syssn":"2026"}`, "refusal doubt"},
		{"unknown code", `{"respcd":"4711"}`, "refusal doubt"},
	} {
		t.Run(row.why, func(t *testing.T) {
			g, c := newGateway(t, says(row.body))
			p, err := c.CreatePayment(t.Context(), testOrder(), nil)
			if got := kind(err); got != row.want {
				t.Errorf("%s, want %s: %v", got, row.want, err)
			}
			if err != nil && p.QRCode != "" {
				t.Error("an error, and a QR code")
			}
			if n := len(g.received()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestCreate_EveryHTTPStatusIsRead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		status       int
		body         string
		want, result string
	}{
		{429, "", "throttled by gateway", "http_429"},           // not processed, according to QFPay
		{400, "", "refusal refused", "http_400"},                // the request itself is wrong
		{411, "", "refusal refused", "http_411"},                //
		{413, "", "refusal refused", "http_413"},                //
		{414, "", "refusal refused", "http_414"},                //
		{415, "", "refusal refused", "http_415"},                //
		{400, `{"respcd":"1102"}`, "refusal doubt", "http_400"}, // the respcd is more exact
		{400, createdBody(), "refusal doubt", "http_400"},       // not a success, despite the body
		{401, "", "refusal hold", "http_401"},                   // credentials
		{403, "", "refusal hold", "http_403"},                   //
		{404, "", "refusal hold", "http_404"},                   // wrong host
		{405, "", "refusal hold", "http_405"},                   //
		{301, "", "refusal hold", "http_3xx"},                   // not followed
		{302, "", "refusal hold", "http_3xx"},                   //
		{303, "", "refusal hold", "http_3xx"},                   //
		{307, "", "refusal hold", "http_3xx"},                   //
		{308, "", "refusal hold", "http_3xx"},                   //
		{304, "", "refusal hold", "http_3xx"},                   // no Location
		{408, "", "unanswered http_408", "http_408"},            // the gateway may have read the request
		{500, createdBody(), "unanswered http_500", "http_500"}, // whatever the body says
		{502, "", "unanswered http_502", "http_502"},            //
		{503, "", "unanswered http_503", "http_503"},            //
		{504, "", "unanswered http_504", "http_504"},            //
		{201, createdBody(), "unanswered http_other", "http_other"},
		{204, "", "unanswered http_other", "http_other"},
		{418, "", "unanswered http_other", "http_other"},
	} {
		t.Run(http.StatusText(row.status), func(t *testing.T) {
			g, c := newGateway(t, func(w http.ResponseWriter, r *http.Request) {
				if row.status != 304 {
					w.Header().Set("Location", "/elsewhere")
				}
				w.WriteHeader(row.status)
				_, _ = w.Write([]byte(row.body))
			})
			// A client that follows redirects must not do so here.
			c.HTTP.CheckRedirect = nil
			_, err := c.CreatePayment(t.Context(), testOrder(), nil)
			if got := kind(err); got != row.want {
				t.Errorf("%s, want %s: %v", got, row.want, err)
			}
			if diff := cmp.Diff([]string{row.result}, g.results()); diff != "" {
				t.Error(diff)
			}
			if n := len(g.received()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestCreate_ARefusalTellsTheWordsOfTheGateway(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, says(`{"respcd":"1205","resperr":"try later(1205)","respmsg":"PR001","syssn":"20260301"}`))
	o := with(func(o *Order) { o.UDID = "A1" })
	_, err := c.CreatePayment(t.Context(), o, nil)
	want := &Refusal{
		Endpoint: "payment", RespCd: "1205", RespErr: "try later(1205)", RespMsg: "PR001", Syssn: "20260301", HTTPStatus: 200, Class: Doubt,
		Body: []byte(`{"respcd":"1205","resperr":"try later(1205)","respmsg":"PR001","syssn":"20260301"}`),
	}
	got, _ := errors.AsType[*Refusal](err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCreate_AWrongDeviceIsTheFaultOfItsOrder(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, says(`{"respcd":"1106"}`))
	_, err := c.CreatePayment(t.Context(), with(func(o *Order) { o.UDID = "A1" }), nil)
	if got := kind(err); got != "refusal refused" {
		t.Error(got)
	}
}

func TestRetryAfter_SecondsAndDatesAreRead(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"-1":                            0,
		"99999999999":                   time.Hour, // a wrong value must not stop a merchant for ever
		"99999999999999999999":          0,         // not a number
		"soon":                          0,
		"Sun, 01 Mar 2026 00:00:30 GMT": 30 * time.Second,
		"Sat, 28 Feb 2026 00:00:30 GMT": 0, // past
		"Mon, 01 Mar 2027 00:00:30 GMT": time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestCallResults_EveryResultIsInTheClosedSet(t *testing.T) {
	all := map[string]bool{}
	for _, r := range CallResults() {
		if all[r] {
			t.Errorf("%s twice", r)
		}
		all[r] = true
	}
	for status := 100; status < 600; status++ {
		if !all[statusResult(status)] {
			t.Errorf("%s is not in CallResults", statusResult(status))
		}
	}
}
