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
	if diff := cmp.Diff([]string{"APP", "SHA256", SHA256.Sign(sent, testKey), "application/x-www-form-urlencoded; charset=UTF-8", "identity"}, headers); diff != "" {
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
		{"0000 with code_url, as WeChat itself has it", createdBody(`"qrcode"`, `"code_url"`), "unanswered no_qrcode"},

		// Another notation of the same value: QFPay's pages differ in the types of every field.
		{"amount 2500.0", createdBody(`"2500"`, `2500.0`), "ok"},
		{"amount with zeros before it", createdBody(`"2500"`, `"000000002500"`), "ok"},
		{"amount as 2.5e3", createdBody(`"2500"`, `2.5e3`), "ok"},
		{"amount in major units is another number", createdBody(`"2500"`, `"25.00"`), "unanswered wrong_echo"},
		{"currency in lower case", createdBody(`"HKD"`, `"hkd"`), "ok"},
		{"currency as its number", createdBody(`"HKD"`, `344`), "ok"},
		{"the number of another currency", createdBody(`"HKD"`, `156`), "unanswered wrong_echo"},
		{"out_trade_no in lower case", createdBody("ORD_0001", "ord_0001"), "ok"},
		{"0000 as a number", createdBody(`"0000"`, `0`), "ok"},
		{"0000 without quotes, as the page of the query prints it", createdBody(`"0000"`, `0000`), "ok"},
		{"a line feed behind the code", createdBody(qr, `" https://qr.alipay.com/bax03190uxd47wbekffy6033\r\n"`), "ok"},
		// Members that decide nothing: a PHP backend sends [] and false for what is empty.
		{"respmsg is an empty list", createdBody(`"respmsg": ""`, `"respmsg": []`), "ok"},
		{"respmsg is false", createdBody(`"respmsg": ""`, `"respmsg": false`), "ok"},
		{"chnlsn is false", createdBody(`"chnlsn": "CH1"`, `"chnlsn": false`), "ok"},
		{"sysdtm is an object", createdBody(`"sysdtm": "2026-03-01 08:00:03"`, `"sysdtm": {}`), "ok"},
		{"syssn is a list", createdBody(`"syssn": "20260301066200020000976054"`, `"syssn": ["2026"]`), "ok"},
		{"txamt is a list", createdBody(`"txamt": "2500"`, `"txamt": ["2500"]`), "unanswered bad_answer"},
		{"a byte order mark before it", "\ufeff" + createdBody(), "ok"},

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
		{"failed, and may be tried again", `{"respcd":"1205"}`, "refusal not now"},
		{"the same, and stored", `{"respcd":"1205","syssn":"2026"}`, "refusal not now"},
		{"merchant refused, but the order is stored", `{"respcd":"1108","syssn":"2026"}`, "refusal doubt"},
		{"signature error of 2017", `{"respcd":"2003"}`, "refusal hold"},
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
		{429, "", "throttled by gateway", "http_429"}, // not processed, according to QFPay
		// A status without a respcd proves nothing: nginx, a CDN or a firewall answers with it on the
		// way back, after the gateway has stored the order.
		{400, "<html>400 Bad Request</html>", "unanswered http_400", "http_400"},
		{401, "", "unanswered http_401", "http_401"},
		{403, "<html>Request blocked</html>", "unanswered http_403", "http_403"},
		{404, "", "unanswered http_404", "http_404"},
		{405, "", "unanswered http_405", "http_405"},
		{407, "", "unanswered http_other", "http_other"},
		{411, "", "unanswered http_411", "http_411"},
		{413, "", "unanswered http_413", "http_413"},
		{422, "{}", "unanswered http_other", "http_other"},
		{301, "", "unanswered http_3xx", "http_3xx"}, // not followed
		{302, "", "unanswered http_3xx", "http_3xx"},
		{303, "", "unanswered http_3xx", "http_3xx"},
		{304, "", "unanswered http_3xx", "http_3xx"},
		{307, "", "unanswered http_3xx", "http_3xx"},
		{308, createdBody(), "unanswered http_3xx", "http_3xx"},
		{408, "", "unanswered http_408", "http_408"},
		{418, "", "unanswered http_other", "http_other"},
		{500, createdBody(), "unanswered http_500", "http_500"}, // whatever the body says
		{502, `{"respcd":"1104"}`, "unanswered http_502", "http_502"},
		{503, "", "unanswered http_503", "http_503"},
		{504, "", "unanswered http_504", "http_504"},
		// QFPay's word counts with any other status.
		{400, `{"respcd":"1102"}`, "refusal doubt", "http_400"},
		{400, `{"respcd":"1103"}`, "refusal refused", "http_400"},
		{403, `{"respcd":"1108"}`, "refusal hold", "http_403"},
		{422, `{"respcd":"1205"}`, "refusal not now", "http_other"},
		{400, createdBody(), "unanswered http_400", "http_400"}, // but it contradicts itself
		{201, createdBody(), "ok", "0000"},
		{202, createdBody(), "ok", "0000"},
		{202, "", "unanswered bad_answer", "bad_answer"},
		{204, "", "unanswered bad_answer", "bad_answer"},
	} {
		t.Run(http.StatusText(row.status), func(t *testing.T) {
			g, c := newGateway(t, func(w http.ResponseWriter, r *http.Request) {
				if row.status/100 == 3 && row.status != 304 {
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
		Endpoint: "payment", RespCd: "1205", RespErr: "try later(1205)", RespMsg: "PR001", Syssn: "20260301", HTTPStatus: 200, Class: NotNow,
		Signature: SignatureAbsent,
		Body:      []byte(`{"respcd":"1205","resperr":"try later(1205)","respmsg":"PR001","syssn":"20260301"}`),
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
	// RFC 9110, 10.2.3 and 6.6.1: both dates are of the clock of the server, which may be wrong.
	h := http.Header{"Retry-After": {"Sun, 01 Mar 2026 00:00:30 GMT"}, "Date": {"Sun, 01 Mar 2026 00:00:10 GMT"}}
	if got := retryAfter(h, now.Add(24*time.Hour)); got != 20*time.Second {
		t.Errorf("by the clock of the answer: %s", got)
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
