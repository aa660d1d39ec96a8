package qfpay

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestVerify_TheSignatureOfTheReferenceOf2018IsRight(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Kind != "response_body" {
			continue
		}
		h := http.Header{"X-Qf-Sign": {v.MD5}}
		if got := signatureOf(h, []byte(v.Body), Secret(v.Key)); got != SignatureRight {
			t.Error(got)
		}
	}
}

func TestVerify_EveryWayToSignAnAnswerIsKnown(t *testing.T) {
	wrapped := `{"respcd":"0000","data":{"b":2,"a":"1","empty":"","none":null}}`
	for _, row := range []struct {
		why, body, sign, signType string
		want                      Signature
	}{
		{"none", createdBody(), "", "", SignatureAbsent},
		{"body, MD5", createdBody(), MD5.SignText([]byte(createdBody()), testKey), "", SignatureRight},
		{"body, MD5 by name", createdBody(), MD5.SignText([]byte(createdBody()), testKey), "md5", SignatureRight},
		{"lower case", createdBody(), strings.ToLower(MD5.SignText([]byte(createdBody()), testKey)), "", SignatureRight},
		{"body, SHA256", createdBody(), SHA256.SignText([]byte(createdBody()), testKey), "SHA256", SignatureRight},
		{"SHA256 that does not say so", createdBody(), SHA256.SignText([]byte(createdBody()), testKey), "", SignatureWrong},
		{"unknown type", createdBody(), MD5.SignText([]byte(createdBody()), testKey), "CRC32", SignatureWrong},
		{"members of data", wrapped, MD5.Sign(Params{"a": "1", "b": "2"}, testKey), "", SignatureRight},
		{"members of data, SHA256", wrapped, SHA256.Sign(Params{"a": "1", "b": "2"}, testKey), "SHA256", SignatureRight},
		{"the key alone is no signature of an answer without data", createdBody(), MD5.Sign(Params{}, testKey), "", SignatureWrong},
		{"another key", createdBody(), MD5.SignText([]byte(createdBody()), "other"), "", SignatureWrong},
		{"another body", createdBody(), MD5.SignText([]byte("x"), testKey), "", SignatureWrong},
		{"nonsense", createdBody(), "nonsense", "", SignatureWrong},
	} {
		h := http.Header{}
		h.Set("X-QF-SIGN", row.sign)
		h.Set("X-QF-SIGNTYPE", row.signType)
		if got := signatureOf(h, []byte(row.body), testKey); got != row.want {
			t.Errorf("%s: %s, want %s", row.why, got, row.want)
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
