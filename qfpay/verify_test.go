package qfpay

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

func TestVerify_TheSignatureOfTheReferenceOf2018IsRight(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Kind != "response_body" {
			continue
		}
		h := http.Header{"X-Qf-Sign": {v.MD5}}
		if got, _ := signatureOf(request{endpoint: payment}, h, []byte(v.Body), Secret(v.Key)); got != SignatureRight {
			t.Error(got)
		}
	}
}

func TestVerify_EveryWayToSignAnAnswerIsKnown(t *testing.T) {
	wrapped := `{"data":{"txamt":2500,"out_trade_no":"1","respcd":"1104","empty":"","none":null}}`
	signed := Params{"txamt": "2500", "out_trade_no": "1", "respcd": "1104"}
	for _, row := range []struct {
		why, body, sign, signType string
		want                      Signature
		scheme                    Scheme
	}{
		{"none", createdBody(), "", "", SignatureAbsent, ""},
		{"body, MD5", createdBody(), MD5.SignText([]byte(createdBody()), testKey), "", SignatureRight, SchemeBodyMD5},
		{"body, MD5 by name", createdBody(), MD5.SignText([]byte(createdBody()), testKey), "md5", SignatureRight, SchemeBodyMD5},
		{"lower case", createdBody(), strings.ToLower(MD5.SignText([]byte(createdBody()), testKey)), "", SignatureRight, SchemeBodyMD5},
		{"body, SHA256", createdBody(), SHA256.SignText([]byte(createdBody()), testKey), "SHA256", SignatureRight, SchemeBodySHA256},
		{"SHA256 that does not say so", createdBody(), SHA256.SignText([]byte(createdBody()), testKey), "", SignatureWrong, ""},
		{"unknown type", createdBody(), MD5.SignText([]byte(createdBody()), testKey), "CRC32", SignatureWrong, ""},
		{"members of data", wrapped, MD5.Sign(signed, testKey), "", SignatureRight, SchemeDataMD5},
		{"members of data, SHA256", wrapped, SHA256.Sign(signed, testKey), "SHA256", SignatureRight, SchemeDataSHA256},
		{"the key alone is no signature of an answer without data", createdBody(), MD5.Sign(Params{}, testKey), "", SignatureWrong, ""},
		{"another key", createdBody(), MD5.SignText([]byte(createdBody()), "other"), "", SignatureWrong, ""},
		{"another body", createdBody(), MD5.SignText([]byte("x"), testKey), "", SignatureWrong, ""},
		{"nonsense", createdBody(), "nonsense", "", SignatureWrong, ""},
	} {
		h := http.Header{}
		h.Set("X-QF-SIGN", row.sign)
		h.Set("X-QF-SIGNTYPE", row.signType)
		if got, scheme := signatureOf(request{endpoint: payment, params: testOrder().params()}, h, []byte(row.body), testKey); got != row.want || scheme != row.scheme {
			t.Errorf("%s: %s %q, want %s %q", row.why, got, scheme, row.want, row.scheme)
		}
	}
}

// TestVerify_AWrongSignatureIsTreatedAsConfigured for every call alike.
func TestVerify_AWrongSignatureIsTreatedAsConfigured(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		verify    Verify
		want      string
		signature Signature
	}{
		{"", "ok", SignatureWrong},
		{VerifyWarn, "ok", SignatureWrong},
		{VerifyOff, "ok", ""},
		{VerifyStrict, "unanswered wrong_signature", SignatureWrong},
	} {
		t.Run(string(row.verify), func(t *testing.T) {
			g, c := newGateway(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-QF-SIGN", "00112233")
				body := map[string]string{"payment": createdBody(), "query": rows(oneRow), "reversal": closedBody}
				_, _ = io.WriteString(w, body[r.URL.Path[len("/trade/v1/"):]])
			})
			c.Verify = row.verify
			p, err := c.CreatePayment(t.Context(), testOrder(), nil)
			if kind(err) != row.want || err == nil && p.Signature != row.signature {
				t.Errorf("create: %v, %q", err, p.Signature)
			}
			if _, err := c.Query(t.Context(), []string{"ORD_0001"}, march); kind(err) != row.want {
				t.Errorf("query: %v", err)
			}
			if _, err := c.Close(t.Context(), testOrder(), nil); kind(err) != row.want {
				t.Errorf("close: %v", err)
			}
			for _, call := range g.calls {
				if call.Signature != row.signature {
					t.Errorf("%+v", call)
				}
			}
		})
	}
}

// TestVerify_StrictDoesNotTrustARefusalEither: an answer that is not QFPay's proves nothing.
func TestVerify_StrictDoesNotTrustARefusalEither(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400, 401, 429, 502} {
		_, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-QF-SIGN", "00112233")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"respcd":"1103"}`)
		})
		c.Verify = VerifyStrict
		if _, err := c.CreatePayment(t.Context(), testOrder(), nil); kind(err) != "unanswered wrong_signature" {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// attack is somebody between the worker and QFPay who has no key. He sees the requests, and has
// kept answers and requests of before.
type attack struct {
	why    string
	answer func(h http.Header, r *http.Request) string
	want   Signature
}

// params are those of a received request, as they were signed.
func received(r *http.Request) Params {
	p := Params{}
	for name := range r.Form {
		p[name] = r.Form.Get(name)
	}
	return p
}

// objectOf is a JSON object of these members, and further ones.
func objectOf(t *testing.T, p Params, more Params) string {
	t.Helper()
	all := maps.Clone(p)
	maps.Copy(all, more)
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each is an answer that an attacker without the key can make. The scheme of the sorted data is
// that of QFPay's pages of 2026, the signature over the body that of the reference of 2018.
func TestVerify_NobodyWithoutTheKeyGetsAQRCodePublished(t *testing.T) {
	t.Parallel()
	evil := Params{"respcd": "0000", "qrcode": "https://evil.example/pay"}
	wrapped := func(data, outside string) string { return `{` + outside + `"data":` + data + `}` }
	full := Params{"respcd": "0000", "qrcode": "https://qr.alipay.com/bax", "out_trade_no": "ORD_0002", "txamt": "2500"}
	outside := `"respcd":"0000","qrcode":"https://evil.example/pay",`
	for _, a := range []attack{
		{"the request's parameters and signature", func(h http.Header, r *http.Request) string {
			h.Set("X-QF-SIGN", r.Header.Get("X-QF-SIGN"))
			h.Set("X-QF-SIGNTYPE", r.Header.Get("X-QF-SIGNTYPE"))
			return wrapped(objectOf(t, received(r), nil), outside)
		}, SignatureReflected},
		{"the same, in lower case and as data that is more", func(h http.Header, r *http.Request) string {
			h.Set("X-QF-SIGN", strings.ToLower(r.Header.Get("X-QF-SIGN")))
			h.Set("X-QF-SIGNTYPE", "sha256")
			return wrapped(objectOf(t, received(r), evil), "")
		}, SignatureReflected},
		{"an earlier request's parameters and signature", func(h http.Header, r *http.Request) string {
			before := Params{"out_trade_no": "ORD_0001", "txamt": "2500", "txdtm": "2026-01-01 00:00:00"}
			h.Set("X-QF-SIGN", SHA256.Sign(before, testKey))
			h.Set("X-QF-SIGNTYPE", "SHA256")
			return wrapped(objectOf(t, before, nil), outside)
		}, SignatureUncovered},
		{"another order's signed answer", func(h http.Header, r *http.Request) string {
			other := createdBody("ORD_0001", "ORD_0002")
			h.Set("X-QF-SIGN", MD5.SignText([]byte(other), testKey))
			return other
		}, SignatureRight}, // it is QFPay's, and the echo shows that it is not for this order
		{"another order's signed data, and this one's members outside", func(h http.Header, r *http.Request) string {
			h.Set("X-QF-SIGN", MD5.Sign(full, testKey))
			return wrapped(objectOf(t, full, nil), `"out_trade_no":"ORD_0001","txamt":"2500",`+outside)
		}, SignatureRight}, // only data is read
		{"a signed refusal in data, and a QR code outside", func(h http.Header, r *http.Request) string {
			refused := Params{"respcd": "1104"}
			h.Set("X-QF-SIGN", MD5.Sign(refused, testKey))
			return wrapped(objectOf(t, refused, nil), `"out_trade_no":"ORD_0001","txamt":"2500","qrcode":"https://evil.example/pay",`)
		}, SignatureUncovered},
		{"the signature stripped", func(h http.Header, r *http.Request) string {
			return createdBody("https://qr.alipay.com/bax03190uxd47wbekffy6033", "https://evil.example/pay")
		}, SignatureAbsent},
		{"made up", func(h http.Header, r *http.Request) string {
			h.Set("X-QF-SIGN", "00112233445566778899AABBCCDDEEFF")
			return createdBody("https://qr.alipay.com/bax03190uxd47wbekffy6033", "https://evil.example/pay")
		}, SignatureWrong},
	} {
		for _, verify := range []Verify{VerifyStrict, VerifyAlways} {
			t.Run(a.why+" under "+string(verify), func(t *testing.T) {
				g, c := newGateway(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, a.answer(w.Header(), r)) })
				c.Verify, c.HasSigned = verify, new(atomic.Bool)
				c.HasSigned.Store(true) // this merchant has signed before
				p, err := c.CreatePayment(t.Context(), testOrder(), nil)
				if k := kind(err); !strings.HasPrefix(k, "unanswered") || p.QRCode != "" {
					t.Errorf("%+v, %v", p, err)
				}
				if got := g.calls[0].Signature; got != a.want {
					t.Errorf("%s, want %s", got, a.want)
				}
			})
		}
	}
}

// An older answer of the same order is QFPay's own word about it: a code it gave is that order's.
func TestVerify_AnOlderAnswerOfTheSameOrderIsItsOwn(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-QF-SIGN", MD5.SignText([]byte(createdBody()), testKey))
		_, _ = io.WriteString(w, createdBody())
	})
	c.Verify = VerifyAlways
	if p, err := c.CreatePayment(t.Context(), testOrder(), nil); err != nil || p.Syssn != "20260301066200020000976054" {
		t.Errorf("%+v, %v", p, err)
	}
	reissued := with(func(o *Order) { o.OutTradeNo += "_2" })
	if _, err := c.CreatePayment(t.Context(), reissued, nil); kind(err) != "unanswered wrong_echo" {
		t.Errorf("under the number of a reissue: %v", err)
	}
}

// Strict takes unsigned answers until a merchant's answers have been signed, and require never.
// HTTP 429 comes from servers without a key, and only delays.
func TestVerify_WhoHasSignedMustGoOnSigning(t *testing.T) {
	t.Parallel()
	signs, status := false, 200
	_, c := newGateway(t, func(w http.ResponseWriter, r *http.Request) {
		body := map[string]string{"payment": createdBody(), "query": rows(oneRow), "reversal": closedBody}[r.URL.Path[len("/trade/v1/"):]]
		if signs {
			w.Header().Set("X-QF-SIGN", MD5.SignText([]byte(body), testKey))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	all := func(c *Client) string {
		_, create := c.CreatePayment(t.Context(), testOrder(), nil)
		_, query := c.Query(t.Context(), []string{"ORD_0001"}, march)
		_, reversal := c.Close(t.Context(), testOrder(), nil)
		if kind(create) != kind(query) || kind(query) != kind(reversal) {
			t.Errorf("%v, %v, %v", create, query, reversal)
		}
		return kind(create)
	}
	check := func(when, want string) {
		t.Helper()
		if got := all(c); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	c.Verify, c.HasSigned = VerifyStrict, new(atomic.Bool)
	check("never signed", "ok")
	signs = true
	check("signed", "ok")
	signs = false
	check("no longer signed", "unanswered unsigned")
	status = 429
	check("no longer signed, 429", "throttled by gateway")
	status = 200
	c.HasSigned = new(atomic.Bool)
	check("another merchant", "ok")
	c.Verify = VerifyAlways
	check("require", "unanswered unsigned")
}

// The rows of a query are a list, which the scheme of the sorted data does not describe; that of a
// close must name the order.
func TestVerify_DataMustHoldAllThatDecides(t *testing.T) {
	for _, row := range []struct {
		endpoint endpoint
		data     Params
		want     Signature
	}{
		{payment, Params{"respcd": "0000", "qrcode": "q", "out_trade_no": "A", "txamt": "1"}, SignatureRight},
		{payment, Params{"respcd": "0000", "out_trade_no": "A", "txamt": "1"}, SignatureUncovered},
		{payment, Params{"respcd": "0000", "qrcode": "q", "out_trade_no": "A"}, SignatureUncovered},
		{payment, Params{"respcd": "0000", "qrcode": "q", "txamt": "1"}, SignatureUncovered},
		{payment, Params{"qrcode": "q", "out_trade_no": "A", "txamt": "1"}, SignatureUncovered},
		{payment, Params{"respcd": "1104", "out_trade_no": "A", "txamt": "1"}, SignatureRight},
		{payment, Params{"respcd": "1104"}, SignatureUncovered}, // it could be that of any order
		{query, Params{"respcd": "1143", "out_trade_no": "A", "txamt": "1"}, SignatureUncovered},
		{closeOrder, Params{"respcd": "0000", "orig_syssn": "S"}, SignatureRight},
		{reversal, Params{"respcd": "0000", "syssn": "S"}, SignatureUncovered},
	} {
		h := http.Header{"X-Qf-Sign": {MD5.Sign(row.data, testKey)}}
		body := `{"respcd":"0000","data":` + objectOf(t, row.data, nil) + `}`
		if got, _ := signatureOf(request{endpoint: row.endpoint, params: testOrder().params()}, h, []byte(body), testKey); got != row.want {
			t.Errorf("%s %v: %s, want %s", row.endpoint, row.data, got, row.want)
		}
	}
}
