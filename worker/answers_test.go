package worker

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// otherGateway is a gateway over real HTTP that keeps orders, and answers creates as it is told. Its
// answers are those of public reports and of QFPay's pages, not of the simulator.
type otherGateway struct {
	stores bool                                            // a create is carried out, whatever is answered
	create func(w http.ResponseWriter, n int, o qfRequest) // answers the n-th create

	mu     sync.Mutex
	orders map[string]string // number → respcd of its row
	calls  []string
}

type qfRequest struct{ url.Values }

func (g *otherGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	g.mu.Lock()
	defer g.mu.Unlock()
	endpoint, number := path.Base(r.URL.Path), form.Get("out_trade_no")
	g.calls = append(g.calls, endpoint)
	switch endpoint {
	case "payment":
		if g.stores && g.orders[number] == "" {
			g.orders[number] = "1143"
		}
		g.create(w, g.count("payment"), qfRequest{form})
	case "query":
		data := []map[string]any{}
		if code := g.orders[number]; code != "" {
			data = append(data, map[string]any{"out_trade_no": number, "txamt": form.Get("txamt"), "respcd": code, "qrcode": "https://row.example"})
		}
		text, _ := json.Marshal(map[string]any{"respcd": "0000", "data": data})
		_, _ = w.Write(text)
	default:
		g.orders[number] = "1142"
		_, _ = io.WriteString(w, `{"respcd":"0000"}`)
	}
}

// count counts calls. Its caller holds the lock.
func (g *otherGateway) count(endpoint string) (n int) {
	for _, c := range g.calls {
		if c == endpoint {
			n++
		}
	}
	return n
}

// made returns how many calls of an endpoint there were.
func (g *otherGateway) made(endpoint string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count(endpoint)
}

// live returns the orders that can be paid.
func (g *otherGateway) live() (all []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for number, code := range g.orders {
		if code == "1143" {
			all = append(all, number)
		}
	}
	return all
}

func status(code int, body string) func(http.ResponseWriter, int, qfRequest) {
	return func(w http.ResponseWriter, _ int, _ qfRequest) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// once answers the first create so, and the others with a QR code.
func once(first func(http.ResponseWriter, int, qfRequest)) func(http.ResponseWriter, int, qfRequest) {
	return func(w http.ResponseWriter, n int, o qfRequest) {
		if n == 1 {
			first(w, n, o)
			return
		}
		text, _ := json.Marshal(map[string]string{"respcd": "0000", "qrcode": "https://qr.example/" + o.Get("out_trade_no"),
			"out_trade_no": o.Get("out_trade_no"), "txamt": o.Get("txamt"), "syssn": "20260301"})
		_, _ = w.Write(text)
	}
}

func oddRig(t *testing.T, g *otherGateway) *rig {
	g.orders = map[string]string{}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	r := newRig(t, simulator.Config{})
	r.config.Merchants[0].BaseURL, r.config.HTTP = server.URL, qfpay.NewHTTPClient()
	return r
}

// Every case: what was answered is in the result and in the order's history, the reason is true, no
// order is called dead while one can be paid, and the cost is bounded.
func TestAnswers_AreKeptAndNoOrderIsCalledDeadThatLives(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		payType qfpay.PayType
		gateway *otherGateway
		outcome tasks.Outcome
		issued  string
		respcd  string
		says    string // in the reason
		holds   string // in the response
		creates int
		queries int // at most
	}{
		// The status page of 2026: "failed, try again later", and its kin.
		{"1205, not stored", qfpay.FPS, &otherGateway{create: status(200, `{"respcd":"1205","resperr":"交易失敗，請稍後重試\n(1205)"}`)},
			tasks.Rejected, "A0000", "1205", "respcd 1205 (failed, try again later): 交易失敗，請稍後重試 (1205)", "1205", 2, 4},
		{"1147 with 422", qfpay.WeChat, &otherGateway{create: status(422, `{"respcd":"1147"}`)},
			tasks.Rejected, "A0000", "1147", "respcd 1147", "1147", 2, 4},
		{"1204 once", qfpay.FPS, &otherGateway{create: once(status(200, `{"respcd":"1204"}`))},
			tasks.Created, "A0000", "0000", "", "qr.example", 2, 2},
		// No page has these.
		{"9999, not stored", qfpay.FPS, &otherGateway{create: status(200, `{"respcd":"9999","respmsg":["odd"]}`)},
			tasks.Unresolved, "A0000", "9999", "respcd 9999", `["odd"]`, 2, 12},
		{"2999, stored", qfpay.AlipayHK, &otherGateway{stores: true, create: once(status(200, `{"respcd":"2999"}`))},
			tasks.Created, "A0000_2", "0000", "", "", 2, 3},
		// nginx, WAFs and captive portals answer on the way back, after the order was stored.
		{"400 of a proxy, stored", qfpay.AlipayHK, &otherGateway{stores: true, create: once(status(400, "<html><h1>400 Bad Request</h1></html>"))},
			tasks.Created, "A0000_2", "0000", "", "", 2, 3},
		{"303, stored, no way to close it", qfpay.FPS, &otherGateway{stores: true, create: status(303, "See other")},
			tasks.Unresolved, "A0000", "1143", "HTTP 303", "https://row.example", 1, 1},
		{"403 of a firewall, stored", qfpay.Octopus, &otherGateway{stores: true, create: status(403, "<html>Request blocked</html>")},
			tasks.Unresolved, "A0000", "1143", "Request blocked", "", 1, 1},
		{"404, not stored", qfpay.FPS, &otherGateway{create: status(404, "<html>no such page</html>")},
			tasks.Unresolved, "A0000", "", "HTTP 404", "no such page", 2, 12},
		// Live traffic of 2025, in both languages: the number is used. By us, since the answer was lost.
		{"a used number in Chinese", qfpay.AlipayHK, &otherGateway{stores: true, create: once(status(200, `{"respcd":"1251","resperr":"订单号重复"}`))},
			tasks.Created, "A0000_2", "0000", "", "", 2, 3},
		{"a used number as a parameter error", qfpay.FPS, &otherGateway{stores: true, create: status(200, `{"respcd":"1104","respmsg":"order already exists"}`)},
			tasks.Unresolved, "A0000", "1104", "already exists", "", 1, 1},
		{"a refusal, and stored all the same", qfpay.FPS, &otherGateway{stores: true, create: status(200, `{"respcd":"1103"}`)},
			tasks.Unresolved, "A0000", "1103", "respcd 1103", "", 1, 1},
		{"a refusal", qfpay.FPS, &otherGateway{create: status(200, `{"respcd":"1103"}`)},
			tasks.Rejected, "A0000", "1103", "respcd 1103", "1103", 1, 1},
		// WeChat Pay's own API calls the text code_url; QFPay's pages know qrcode alone.
		{"a success without qrcode", qfpay.FPS, &otherGateway{stores: true, create: status(200, `{"respcd":"0000","out_trade_no":"A0000","txamt":"2500","code_url":"weixin://x"}`)},
			tasks.Unresolved, "A0000", "0000", "without a QR code", "weixin://x", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := oddRig(t, c.gateway)
			stop := r.start()
			r.enqueue(1, func(_ int, o *tasks.Order) { o.PayType, o.Deadline = c.payType, time.Now().Add(30*time.Second) })
			got := r.results(1)["A0000"]
			stop() // so that the attempt has written its line
			if got.Outcome != string(c.outcome) || got.IssuedAs != c.issued || got.RespCd != c.respcd {
				t.Errorf("%s as %s with respcd %q, want %s as %s with %q\n%s", got.Outcome, got.IssuedAs, got.RespCd, c.outcome, c.issued, c.respcd, r.log.tail(10))
			}
			if !strings.Contains(got.Reason, c.says) || !strings.Contains(got.Response, c.holds) || strings.Contains(got.Reason, "unanswered") {
				t.Errorf("reason %q, want …%s…; response %q, want …%s…", got.Reason, c.says, got.Response, c.holds)
			}
			if !strings.Contains(r.log.String(), c.says) {
				t.Errorf("the log does not say %q", c.says)
			}
			creates, queries := c.gateway.made("payment"), c.gateway.made("query")
			if creates != c.creates || queries > c.queries {
				t.Errorf("%d creates and %d queries, want %d and at most %d", creates, queries, c.creates, c.queries)
			}
			if live := c.gateway.live(); c.outcome == tasks.Rejected && len(live) > 0 || len(live) > 1 {
				t.Errorf("%s, and %v can be paid", got.Outcome, live)
			}
			h, err := inspect.New(r.rdb, r.keys).Order(t.Context(), "default:A0000")
			ok(t, err)
			if h.Answer == nil || c.outcome != tasks.Created && c.respcd == h.Answer.RespCd && !strings.Contains(h.Answer.Body, c.holds) {
				t.Errorf("the history has %+v", h.Answer)
			}
		})
	}
}

// What kept an order from being sent is in its result: RFC 1034, RFC 5280 and the kernel's words.
func TestAnswers_WhyNothingCameIsTold(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	ok(t, closed.Close())
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	for name, c := range map[string]struct{ base, says string }{
		"refused": {"http://" + closed.Addr().String(), "connection refused"},
		"x509":    {untrusted.URL, "x509: "},
		"DNS":     {"http://gateway.invalid", "gateway.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{})
			r.config.Merchants[0].BaseURL, r.config.HTTP = c.base, qfpay.NewHTTPClient()
			r.start()
			r.enqueue(1, func(_ int, o *tasks.Order) { o.Deadline = time.Now().Add(time.Second) })
			got := r.results(1)["A0000"]
			if got.Outcome != string(tasks.Expired) || !strings.Contains(got.Reason, "not sent") || !strings.Contains(got.Reason, c.says) {
				t.Errorf("%s: %s, want …%s…", got.Outcome, got.Reason, c.says)
			}
		})
	}
}

// An order that a person re-opens is queried before it is created, whatever its outcome was.
func TestAnswers_ARetryAsksFirst(t *testing.T) {
	t.Parallel()
	g := &otherGateway{create: once(status(200, `{"respcd":"1103"}`))}
	r := oddRig(t, g)
	r.start()
	r.enqueue(1, nil)
	if got := r.results(1)["A0000"]; got.Outcome != string(tasks.Rejected) {
		t.Fatalf("%+v", got)
	}
	g.mu.Lock()
	g.orders["A0000"] = "1143" // it lives after all
	before := len(g.calls)
	g.mu.Unlock()
	_, err := inspect.New(r.rdb, r.keys).Reopen(t.Context(), "default:A0000", time.Time{})
	ok(t, err)
	if got := r.next(1); got.Outcome != string(tasks.Created) || got.IssuedAs != "A0000_2" {
		t.Errorf("%+v", got)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if calls := strings.Join(g.calls[before:], " "); !strings.HasPrefix(calls, "query reversal query payment") {
		t.Error(calls)
	}
}

// A fault that is the same for all orders of a merchant stops it before it costs more than a
// handful of orders.
func TestAnswers_AFaultOfAllOrdersTripsTheBreaker(t *testing.T) {
	t.Parallel()
	g := &otherGateway{stores: true, create: func(w http.ResponseWriter, _ int, o qfRequest) {
		_, _ = io.WriteString(w, `{"respcd":"0000","out_trade_no":"`+o.Get("out_trade_no")+`","txamt":"2500"}`)
	}}
	r := oddRig(t, g)
	r.config.Concurrency = 4
	stop := r.start()
	r.enqueue(30, nil)
	for end := time.Now().Add(20 * time.Second); !strings.Contains(r.log.String(), "they wait, and one"); time.Sleep(10 * time.Millisecond) { // until the worker has seen enough
		if time.Now().After(end) {
			t.Fatalf("the breaker does not trip\n%s", r.log.tail(20))
		}
	}
	stop()
	if n := g.made("payment"); n > 12 {
		t.Errorf("%d creates before the merchant was held", n)
	}
}

// QFPay refuses the configuration in its answer to an order, until the deadline or once. The order
// ends with what was answered last, and is not called dead before a query has said so; but QFPay
// looks at no order whose signature it refuses. Codes and texts are those of QFPay's pages, of 2017
// and later, and of live traffic.
func TestAnswers_AnOrderThatIsRefusedAloneEndsWithItsRefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		payType qfpay.PayType
		gateway *otherGateway
		outcome tasks.Outcome
		respcd  string
		respmsg string
		reason  string
		asked   bool // each create is followed by a query
	}{
		{"a pay type that is not enabled", qfpay.FPS, &otherGateway{create: status(200, `{"respcd":"1104","resperr":"參數錯誤","respmsg":"filter error"}`)},
			tasks.Expired, "1104", "filter error", "deadline passed before it could be created; last create: respcd 1104 (parameter error): 參數錯誤 filter error", true},
		{"a certificate of the channel", qfpay.WeChat, &otherGateway{create: status(200, `{"respcd":"2012"}`)},
			tasks.Expired, "2012", "", "last create: respcd 2012", true},
		{"a store that is disabled", qfpay.WeChat, &otherGateway{create: status(200, `{"respcd":"1243"}`)},
			tasks.Expired, "1243", "", "last create: respcd 1243", true},
		{"a signature", qfpay.AlipayHK, &otherGateway{create: status(200, `{"respcd":"1108","resperr":"签名错误"}`)},
			tasks.Expired, "1108", "", "last create: respcd 1108 (signature error): 签名错误", false},
		{"a store, and it was stored", qfpay.FPS, &otherGateway{stores: true, create: status(200, `{"respcd":"1251","resperr":"配置错误"}`)},
			tasks.Unresolved, "1251", "", "last create: respcd 1251", true},
		{"an account once, and it was stored", qfpay.AlipayHK, &otherGateway{stores: true, create: once(status(200, `{"respcd":"1203"}`))},
			tasks.Created, "0000", "", "", false},
		{"an account once", qfpay.FPS, &otherGateway{create: once(status(200, `{"respcd":"1203"}`))},
			tasks.Created, "0000", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := oddRig(t, c.gateway)
			r.start()
			r.enqueue(1, func(_ int, o *tasks.Order) { o.PayType, o.Deadline = c.payType, time.Now().Add(5*time.Second) }) // time for a second create on a busy machine
			got := r.results(1)["A0000"]
			if got.Outcome != string(c.outcome) || got.RespCd != c.respcd || got.RespMsg != c.respmsg || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("%s with %q, %q, reason %q; want %s with %q, %q, …%s\n%s", got.Outcome, got.RespCd, got.RespMsg, got.Reason,
					c.outcome, c.respcd, c.respmsg, c.reason, r.log.tail(10))
			}
			creates, queries := c.gateway.made("payment"), c.gateway.made("query")
			if c.outcome == tasks.Expired && (creates < 2 || c.asked && queries != creates || !c.asked && queries > 0) {
				t.Errorf("%d creates and %d queries", creates, queries)
			}
			if live := c.gateway.live(); c.outcome == tasks.Expired && len(live) > 0 || len(live) > 1 {
				t.Errorf("%s, and %v can be paid", got.Outcome, live)
			}
		})
	}
}
