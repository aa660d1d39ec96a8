package qfpay

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const testKey = "0123456789ABCDEF0123456789ABCDEF"

// got is a request as a gateway received it.
type got struct {
	path   string
	header http.Header
	form   url.Values
	length int64
	chunks []string
}

// gateway is an HTTP server that gives a test's answers and records the requests.
type gateway struct {
	*httptest.Server
	mu       sync.Mutex
	requests []got
	calls    []Call
}

// newGateway starts a server that reads every request and passes it to answer.
func newGateway(t *testing.T, answer http.HandlerFunc) (*gateway, *Client) {
	t.Helper()
	g := &gateway{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		g.mu.Lock()
		g.requests = append(g.requests, got{r.URL.Path, r.Header.Clone(), form, r.ContentLength, r.TransferEncoding})
		g.mu.Unlock()
		r.Form = form
		answer(w, r)
	}))
	t.Cleanup(g.Close)
	return g, g.client(t, g.URL)
}

// client returns a client for base whose connections end with the test.
func (g *gateway) client(t *testing.T, base string) *Client {
	c := &Client{
		Merchant: Merchant{Name: "default", BaseURL: base, AppCode: "APP", Key: testKey, SignType: SHA256},
		HTTP:     NewHTTPClient(),
		Timeout:  5 * time.Second,
		OnCall: func(call Call) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.calls = append(g.calls, call)
		},
	}
	t.Cleanup(c.HTTP.CloseIdleConnections)
	return c
}

func (g *gateway) received() []got {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}

// results returns how the calls ended.
func (g *gateway) results() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, c := range g.calls {
		all = append(all, c.Result)
	}
	return all
}

// says returns an answer with a body and status 200.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// testOrder is an order that satisfies every rule.
func testOrder() Order {
	return Order{
		OutTradeNo: "ORD_0001", PayType: AlipayOverseas, TxAmt: 2500, TxCurrCd: "HKD",
		TxDtm: "2026-03-01 08:00:00", GoodsName: "珍珠奶茶",
	}
}

// createdBody is the answer of a gateway that has created testOrder; the pairs
// replace parts of it.
func createdBody(pairs ...string) string {
	const body = `{"surcharge_fee": 0, "qrcode": "https://qr.alipay.com/bax03190uxd47wbekffy6033", "pay_type": "800101", ` +
		`"surcharge_rate": 0, "resperr": "success", "txdtm": "2026-03-01 08:00:00", "out_trade_no": "ORD_0001", ` +
		`"syssn": "20260301066200020000976054", "sysdtm": "2026-03-01 08:00:03", "txcurrcd": "HKD", "respmsg": "", ` +
		`"chnlsn2": "", "cardcd": "", "udid": "qiantai2", "txamt": "2500", "respcd": "0000", "chnlsn": "CH1"}`
	return strings.NewReplacer(pairs...).Replace(body)
}

// kind describes an error of a call: its type, and its most important field.
func kind(err error) string {
	if err == nil {
		return "ok"
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return "refusal " + r.Class.String()
	}
	if u, ok := errors.AsType[*Unanswered](err); ok {
		return "unanswered " + u.Reason
	}
	if _, ok := errors.AsType[*NotSent](err); ok {
		return "not sent"
	}
	if t, ok := errors.AsType[*Throttled](err); ok && t.ByGateway {
		return "throttled by gateway"
	} else if ok {
		return "throttled by limiter"
	}
	return "other: " + err.Error()
}

// limiterFunc is a Limiter made of a function.
type limiterFunc func(context.Context) (Permit, error)

func (f limiterFunc) Acquire(ctx context.Context) (Permit, error) { return f(ctx) }
