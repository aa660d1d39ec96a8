package simulator

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestRequest_EveryEncodingOfTheSamplesIsRead(t *testing.T) {
	p := order("A1", "goods_name", "测试")
	for _, test := range []struct{ why, body string }{
		{"plus, as Python and Go", "goods_name=%E6%B5%8B%E8%AF%95&out_trade_no=A1&pay_type=800101&txamt=300&txcurrcd=HKD&txdtm=2026-03-10+12%3A00%3A00"},
		{"%20, as Node", "goods_name=%e6%b5%8b%e8%af%95&out_trade_no=A1&pay_type=800101&txamt=300&txcurrcd=HKD&txdtm=2026-03-10%2012%3A00%3A00"},
		{"raw, as PHP, Java and the printed body", "txdtm=2026-03-10 12:00:00&goods_name=测试&out_trade_no=A1&pay_type=800101&txamt=300&txcurrcd=HKD"},
	} {
		t.Run(test.why, func(t *testing.T) {
			r := form(t.Context(), "http://x", "payment", p)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(test.body)), int64(len(test.body))
			got, err := do(still(Config{}).Transport(), r)
			if err != nil || got.str("respcd") != "0000" {
				t.Error(err, got.raw)
			}
		})
	}
}

func TestRequest_MultipartIsReadAsOnePluginSendsIt(t *testing.T) {
	g := still(Config{})
	expect(t, g, "payment", order("A1"), "0000")
	p := qfpay.Params{"out_trade_no": "A1"}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	w.WriteField("out_trade_no", "A1")
	w.Close()
	r := form(t.Context(), "http://x", "query", p)
	r.Body, r.ContentLength = io.NopCloser(&body), int64(body.Len())
	r.Header.Set("Content-Type", w.FormDataContentType())
	got, err := do(g.Transport(), r)
	if err != nil || len(got.rows()) != 1 {
		t.Error(err, got.raw)
	}
}

func TestRequest_GetIsTakenWhereOldPagesPrintIt(t *testing.T) {
	for endpoint, status := range map[string]int{"query": 200, "close": 200, "reversal": 200, "payment": 405, "refund": 405} {
		g := still(Config{})
		expect(t, g, "payment", order("A1"), "0000")
		p := qfpay.Params{"out_trade_no": "A1", "txamt": "300", "txdtm": "2026-03-10 12:00:00"}
		r := form(t.Context(), "http://x", endpoint, p)
		values := url.Values{}
		for k, v := range p {
			values.Set(k, v)
		}
		r.Method, r.Body, r.ContentLength, r.URL.RawQuery = http.MethodGet, nil, 0, values.Encode()
		got, err := do(g.Transport(), r)
		if err != nil || got.status != status || status == 200 && !g.Calls()[1].DigestOK {
			t.Errorf("%s: %v %d %s", endpoint, err, got.status, got.raw)
		}
	}
}

func TestRequest_AMalformedRequestIsRefusedAtTheDoor(t *testing.T) {
	for _, test := range []struct {
		why    string
		change func(*http.Request)
		status int
		respcd string
	}{
		{"a path that is none", func(r *http.Request) { r.URL.Path = "/trade/v2/payment" }, 404, ""},
		{"a method that is none", func(r *http.Request) { r.Method = http.MethodPut }, 405, ""},
		{"a chunked body", func(r *http.Request) { r.ContentLength = -1 }, 411, ""},
		{"a body without an end", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader("a=" + strings.Repeat("x", maxBody)))
			r.ContentLength = maxBody + 2
		}, 413, ""},
		{"JSON", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 200, "1103"},
		{"a parameter twice", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("a=1&a=1")), 7
		}, 200, "1103"},
	} {
		t.Run(test.why, func(t *testing.T) {
			g := still(Config{})
			r := form(t.Context(), "http://x", "payment", order("A1"))
			test.change(r)
			got, err := do(g.Transport(), r)
			if err != nil || got.status != test.status || got.str("respcd") != test.respcd {
				t.Errorf("%v %d %s", err, got.status, got.raw)
			}
			if want := (Call{Time: noon, AppCode: SampleAppCode, Endpoint: g.Calls()[0].Endpoint, HTTPStatus: test.status, RespCd: test.respcd}); len(g.Orders()) != 0 {
				t.Error("an order was stored")
			} else if diff := cmp.Diff(want, g.Calls()[0]); test.status != 200 && diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzReadForm(f *testing.F) {
	for _, seed := range []string{"", "a=1&b=2", "a=%zz", "a=%E6%B5%8B+x%20y", "=&=", "a&b=", "a=1&a=2", "%", "a=b=c;d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		p, unread := readForm(body)
		if unread != "" {
			return
		}
		values := url.Values{}
		for k, v := range p {
			values.Set(k, v)
		}
		again, unread := readForm(values.Encode())
		if diff := cmp.Diff(p, again); diff != "" && unread == "" {
			t.Error(diff)
		}
	})
}
