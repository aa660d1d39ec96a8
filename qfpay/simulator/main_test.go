package simulator

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is a moment in the middle of a month in UTC+8: 2026-03-10 12:00:00.
var noon = time.Date(2026, 3, 10, 4, 0, 0, 0, time.UTC)

// stoppedAt returns a stopped clock; only Advance moves it.
func stoppedAt(t time.Time) func() time.Time { return func() time.Time { return t } }

// still returns a gateway whose clock is stopped at noon.
func still(c Config) *Gateway {
	c.Now = stoppedAt(noon)
	return New(c)
}

// order returns the parameters of a create that QFPay accepts.
func order(no string, change ...string) qfpay.Params {
	p := qfpay.Params{"out_trade_no": no, "pay_type": "800101", "txamt": "300", "txcurrcd": "HKD",
		"txdtm": "2026-03-10 12:00:00"}
	for i := 0; i < len(change); i += 2 {
		p[change[i]] = change[i+1]
	}
	return p
}

// form makes a request with the signature of package qfpay.
func form(ctx context.Context, base, endpoint string, p qfpay.Params) *http.Request {
	values := url.Values{}
	for k, v := range p {
		values.Set(k, v)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/trade/v1/"+endpoint, strings.NewReader(values.Encode()))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-QF-APPCODE", SampleAppCode)
	r.Header.Set("X-QF-SIGN", qfpay.SHA256.Sign(p, SampleKey))
	r.Header.Set("X-QF-SIGNTYPE", "SHA256")
	return r
}

// reply is a decoded answer.
type reply struct {
	status int
	header http.Header
	raw    string
	json   map[string]any
}

func (r reply) str(name string) string { s, _ := r.json[name].(string); return s }

// rows returns the rows of a query.
func (r reply) rows() []map[string]any {
	var rows []map[string]any
	data, _ := r.json["data"].([]any)
	for _, d := range data {
		rows = append(rows, d.(map[string]any))
	}
	return rows
}

// send makes one call in process, and returns a transport error.
func send(ctx context.Context, g *Gateway, endpoint string, p qfpay.Params) (reply, error) {
	return do(g.Transport(), form(ctx, "https://gateway.invalid", endpoint, p))
}

func do(t http.RoundTripper, r *http.Request) (reply, error) {
	response, err := t.RoundTrip(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	got := reply{status: response.StatusCode, header: response.Header, raw: string(body)}
	_ = json.Unmarshal(body, &got.json) // pages of HTML are none
	return got, err
}

// call makes one call in process that must be answered.
func call(tb testing.TB, g *Gateway, endpoint string, p qfpay.Params) reply {
	tb.Helper()
	r, err := send(tb.Context(), g, endpoint, p)
	if err != nil {
		tb.Fatalf("%s: %v", endpoint, err)
	}
	return r
}

// expect makes one call that must be answered with respcd.
func expect(tb testing.TB, g *Gateway, endpoint string, p qfpay.Params, respcd string) reply {
	tb.Helper()
	r := call(tb, g, endpoint, p)
	if r.str("respcd") != respcd {
		tb.Fatalf("%s: respcd %q, want %s: %s", endpoint, r.str("respcd"), respcd, r.raw)
	}
	return r
}

// state returns the state of the newest payment with this order number, or "".
func state(g *Gateway, no string) State {
	var s State
	for _, o := range g.Orders() {
		if o.OutTradeNo == no && o.OrderType == typePayment {
			s = o.State
		}
	}
	return s
}
