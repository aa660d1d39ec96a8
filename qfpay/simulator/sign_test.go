package simulator

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// chinese2017 is the only request in QFPay's documents whose signature can be reproduced
// (Chinese overseas document, 2017).
var chinese2017 = qfpay.Params{
	"username": "some_user", "mobile": "14401234567", "email": "email@example.com", "idnumber": "110000201608220123",
	"name": "测试企业", "country": "中国", "city": "成都", "address": "XX区XX路XX号", "shopname": "XX商店", "bankuser": "王",
	"bankaccount": "1234567890", "bankcountry": "中国", "bankcity": "成都", "bankname": "中国建设银行", "bankcode": "123",
	"mcc_id": "6125485337528623306", "channel_type": "1", "licenseactive_date": "2016-07-10", "licensenumber": "12345678",
	"bankaddr": "银行详细地址", "bankswiftcode": "001",
}

func TestSign_ThePublishedSignatureIsReproduced(t *testing.T) {
	if got := digest("", canonical(chinese2017), "789012"); got != "E019253E135863C335333C983DF05359" {
		t.Error(got)
	}
}

func TestSign_SignaturesAreThoseOfTheClientPackage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := qfpay.Params(rapid.MapOf(rapid.StringMatching(`[A-Za-z_]{1,3}[0-9]?`), rapid.String()).Draw(t, "params"))
		for _, signType := range []qfpay.SignType{qfpay.MD5, qfpay.SHA256} {
			got := digest(string(signType), canonical(p), "key")
			if want := signType.Sign(p, "key"); got != want {
				t.Fatalf("%s: %s, and the client says %s", signType, got, want)
			}
		}
	})
}

func TestSign_TheCallerIsChecked(t *testing.T) {
	right := order("A1")
	with := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, test := range []struct {
		why     string
		change  func(*http.Request)
		respcd  string
		respmsg string // begins with
	}{
		{"all is right", func(*http.Request) {}, "0000", ""},
		{"lower-case hex, as the JavaScript sample sends", with("x-qf-sign", strings.ToLower(qfpay.SHA256.Sign(right, SampleKey))), "0000", ""},
		{"MD5 without a type", func(r *http.Request) {
			r.Header.Del("X-QF-SIGNTYPE")
			r.Header.Set("X-QF-SIGN", qfpay.MD5.Sign(right, SampleKey))
		}, "0000", ""},
		{"MD5 by name", func(r *http.Request) {
			r.Header.Set("X-QF-SIGNTYPE", "MD5")
			r.Header.Set("X-QF-SIGN", qfpay.MD5.Sign(right, SampleKey))
		}, "0000", ""},
		{"MD5 under the name of SHA256", with("X-QF-SIGN", qfpay.MD5.Sign(right, SampleKey)), "1108", ""},
		{"another key", with("X-QF-SIGN", qfpay.SHA256.Sign(right, "other")), "1108", ""},
		{"no signature", func(r *http.Request) { r.Header.Del("X-QF-SIGN") }, "1108", ""},
		{"unknown type", with("X-QF-SIGNTYPE", "SHA512"), "1108", "X-QF-SIGNTYPE"},
		{"unknown app_code", with("X-QF-APPCODE", "nobody"), "1108", "X-QF-APPCODE"},
		{"no app_code", func(r *http.Request) { r.Header.Del("X-QF-APPCODE") }, "1108", "X-QF-APPCODE"},
	} {
		t.Run(test.why, func(t *testing.T) {
			g := still(Config{})
			r := form(t.Context(), "http://x", "payment", right)
			test.change(r)
			got, err := do(g.Transport(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got.str("respcd") != test.respcd || !strings.HasPrefix(got.str("respmsg"), test.respmsg) {
				t.Error(got.raw)
			}
			if ok := g.Calls()[0].DigestOK; ok != (test.respcd == "0000") {
				t.Errorf("journal says digest ok: %v", ok)
			}
		})
	}
}

func TestMerchant_AMchidIsSentExactlyWhenOneWasIssued(t *testing.T) {
	agent := Config{Merchants: []Account{{AppCode: SampleAppCode, Key: SampleKey, MchIDs: []string{"one"}}}}
	for _, test := range []struct {
		why     string
		config  Config
		params  qfpay.Params
		respcd  string
		respmsg string
	}{
		{"issued and sent", agent, order("A1", "mchid", "one"), "0000", ""},
		{"issued and not sent", agent, order("A1"), "1108", "mchid: missing"},
		{"somebody else's", agent, order("A1", "mchid", "two"), "1108", "mchid: illegal"},
		{"none issued, one sent", Config{}, order("A1", "mchid", "one"), "1108", "mchid: none was issued, so none may be sent"},
	} {
		t.Run(test.why, func(t *testing.T) {
			r := expect(t, still(test.config), "payment", test.params, test.respcd)
			if r.str("respmsg") != test.respmsg {
				t.Error(r.raw)
			}
		})
	}
}

func TestSign_AnswersAreSignedAsConfigured(t *testing.T) {
	for how, right := range map[SignResponses]func(reply) bool{
		SignBody: func(r reply) bool {
			return r.header.Get("X-QF-SIGN") == qfpay.MD5.SignText([]byte(r.raw), SampleKey)
		},
		SignBodySHA256: func(r reply) bool {
			return r.header.Get("X-QF-SIGN") == qfpay.SHA256.SignText([]byte(r.raw), SampleKey) &&
				r.header.Get("X-QF-SIGNTYPE") == "SHA256"
		},
		SignSortedData: func(r reply) bool {
			data := qfpay.Params{}
			for name, v := range r.json["data"].(map[string]any) {
				data[name], _ = v.(string)
			}
			// The two numbers among them.
			maps.Copy(data, qfpay.Params{"surcharge_fee": "0", "surcharge_rate": "0"})
			return r.header.Get("X-QF-SIGN") == qfpay.MD5.Sign(data, SampleKey) && data["qrcode"] != ""
		},
		SignWrong: func(r reply) bool {
			return len(r.header.Get("X-QF-SIGN")) == 32 && r.header.Get("X-QF-SIGN") != qfpay.MD5.SignText([]byte(r.raw), SampleKey)
		},
		SignNone: func(r reply) bool { return r.header.Values("X-QF-SIGN") == nil },
	} {
		t.Run(string(how), func(t *testing.T) {
			if r := expect(t, still(Config{SignResponses: how}), "payment", order("A1"), "0000"); !right(r) {
				t.Errorf("%v %s", r.header, r.raw)
			}
		})
	}
}

func TestSign_AnswersWithoutAnOrderAreSignedByTheirBody(t *testing.T) {
	g := still(Config{SignResponses: SignSortedData})
	expect(t, g, "payment", order("A1"), "0000")
	rows := expect(t, g, "query", qfpay.Params{"out_trade_no": "A1"}, "0000")
	refused := expect(t, g, "payment", order("A1"), "1102")
	for _, r := range []reply{rows, refused} {
		if r.header.Get("X-QF-SIGN") != qfpay.MD5.SignText([]byte(r.raw), SampleKey) {
			t.Error(r.raw)
		}
	}
	if len(rows.rows()) != 1 {
		t.Error(rows.raw)
	}
}
