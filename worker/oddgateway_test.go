package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// oddGateway is one way in which a gateway answers as no document says. The faults are those of the
// simulator.
type oddGateway struct {
	create  simulator.Fault // of each order's first create
	query   simulator.Fault // of its first four queries
	close   simulator.Fault // of its first close or reversal
	always  simulator.Fault // of all other calls
	payType qfpay.PayType   // empty: Alipay
	outcome tasks.Outcome   // empty: any that is true
}

var oddGateways = []oddGateway{
	// A part is refused, and nothing comes of it until the deadline.
	{always: "payment.respcd_1104:filter error"},
	{always: "payment.respcd_2012"},
	{always: "payment.respcd_1108"},
	{always: "payment.http_403"},
	// Answers to a create that say neither yes nor no.
	{create: "respcd_1205", outcome: tasks.Created},
	{create: "respcd_1204_live", outcome: tasks.Created},
	{create: "respcd_1147", outcome: tasks.Created},
	{create: "respcd_2999_live", outcome: tasks.Created},
	{create: "respcd_2999_live", payType: qfpay.FPS, outcome: tasks.Unresolved},
	{create: "respcd_9999", outcome: tasks.Created},
	{create: "respcd_1147_http_422", outcome: tasks.Created},
	{create: "respcd_1147_live_http_422", outcome: tasks.Created},
	{create: "code_url"},
	{create: "code_url", payType: qfpay.FPS},
	// Something between has answered, and the order stands.
	{create: "http_400"},
	{create: "http_303_after", outcome: tasks.Created},
	{create: "http_307_after", outcome: tasks.Created},
	{create: "http_400_after", outcome: tasks.Created},
	{create: "http_403_after", outcome: tasks.Created},
	{create: "http_403_after", payType: qfpay.FPS, outcome: tasks.Unresolved},
	{create: "http_404_after", outcome: tasks.Created},
	{create: "http_422_after", outcome: tasks.Created},
	{create: "http_502_after", outcome: tasks.Created},
	{create: "http_503_after", outcome: tasks.Created},
	{create: "html_after", outcome: tasks.Created},
	// The number is used, say QFPay's words, and its code says something else.
	{create: "respcd_1251_unsaid:订单号重复", outcome: tasks.Created},
	{create: "respcd_1104_unsaid:out_trade_no already exists", outcome: tasks.Created},
	{create: "respcd_1104_unsaid:订单已存在", outcome: tasks.Created},
	{create: "respcd_1103_unsaid:repeated out_trade_no", outcome: tasks.Created},
	{create: "respcd_1251:订单号重复", outcome: tasks.Created},
	// Types and notations, in all answers and rows.
	{always: "txamt_number", outcome: tasks.Created},
	{create: "drop_after", always: "txamt_number", outcome: tasks.Created},
	{always: "txamt_float", outcome: tasks.Created},
	{always: "txamt_zeros", outcome: tasks.Created},
	{always: "txamt_major"},
	{always: "currency_lower", outcome: tasks.Created},
	{always: "currency_number"},
	{always: "number_case"},
	{always: "respmsg_list", outcome: tasks.Created},
	{always: "respmsg_false", outcome: tasks.Created},
	{always: "chnlsn_false", outcome: tasks.Created},
	{always: "sysdtm_object", outcome: tasks.Created},
	{always: "status_201", outcome: tasks.Created},
	{always: "status_202", outcome: tasks.Created},
	{always: "qrcode_newline", outcome: tasks.Created},
	{create: "drop_after", always: "txamt_float", outcome: tasks.Created},
	{create: "drop_after", always: "txamt_zeros", outcome: tasks.Created},
	{create: "drop_after", always: "txamt_major"},
	{create: "drop_after", always: "currency_lower", outcome: tasks.Created},
	{create: "drop_after", always: "currency_number"},
	{create: "drop_after", always: "number_case"},
	{create: "drop_after", always: "sysdtm_object", outcome: tasks.Created},
	{create: "drop_after", always: "chnlsn_false", outcome: tasks.Created},
	{create: "drop_after", always: "respmsg_list", outcome: tasks.Created},
	{create: "drop_after", always: "status_201", outcome: tasks.Created},
	// The forms in which answers travel.
	{always: "encoding_odd", outcome: tasks.Created},
	{always: "gzip", outcome: tasks.Created},
	{always: "bom", outcome: tasks.Created},
	{create: "gzip", outcome: tasks.Created},
	{create: "gzip_unsaid", outcome: tasks.Created},
	{create: "gzip_untrue", outcome: tasks.Created},
	{create: "bom", outcome: tasks.Created},
	{create: "empty_body", outcome: tasks.Created},
	{create: "drop_after", query: "html", outcome: tasks.Created},
	{create: "drop_after", query: "html", payType: qfpay.FPS, outcome: tasks.Unresolved},
	{create: "drop_after", query: "empty_body", outcome: tasks.Created},
	{create: "drop_after", query: "gzip_unsaid", outcome: tasks.Created},
	{create: "drop_after", query: "bom", outcome: tasks.Created},
	{create: "drop_after", query: "http_403", outcome: tasks.Created},
	{create: "drop_after", query: "data_object", outcome: tasks.Created},
	{create: "drop_after", query: "page_text", outcome: tasks.Created},
	{create: "drop_after", query: "data_missing", outcome: tasks.Created},
	{create: "drop_after", query: "data_null", outcome: tasks.Created},
	{create: "drop_after", query: "data_renamed", outcome: tasks.Created},
	{create: "drop_after", query: "order_type_odd", outcome: tasks.Created},
	// Closes that are refused.
	{create: "drop_after", close: "unscanned", outcome: tasks.Created},
	{create: "drop_after", close: "young", payType: qfpay.WeChat, outcome: tasks.Created},
	{create: "drop_after", close: "respcd_1136_http_404", outcome: tasks.Created},
	{create: "drop_after", close: "html", outcome: tasks.Created},
}

// forgers have no key, or an old answer. The worker verifies signatures.
var forgers = []oddGateway{
	{create: "bad_signature", outcome: tasks.Created},
	{create: "no_signature"},
	{create: "reflected", outcome: tasks.Created},
	{create: "reflected_after", outcome: tasks.Created},
	{create: "outside_data", outcome: tasks.Created},
	{create: "replayed", outcome: tasks.Created},
	{create: "replayed_older", outcome: tasks.Created},
	{create: "drop_after", query: "reflected", outcome: tasks.Created},
	{create: "drop_after", query: "bad_signature", outcome: tasks.Created},
	{create: "drop_after", query: "replayed", outcome: tasks.Created},
	{create: "drop_after", close: "reflected", outcome: tasks.Created},
	{create: "drop_after", close: "stripped_after", outcome: tasks.Created},
	{create: "drop_after", close: "bad_signature", outcome: tasks.Created},
}

// strippers take signatures away. A merchant that has never signed need not sign, unless the worker
// requires it.
var strippers = []oddGateway{
	{create: "no_signature", outcome: tasks.Created},
	{create: "stripped_after", outcome: tasks.Created},
	{create: "drop_after", query: "stripped_after", outcome: tasks.Created},
}

func TestWorker_IsTrueToTheBooksOfAnOddGateway(t *testing.T) {
	t.Parallel()
	meet(t, qfpay.VerifyWarn, oddGateways)
}

func TestWorker_IsTrueToTheBooksBehindAForger(t *testing.T) {
	t.Parallel()
	meet(t, qfpay.VerifyStrict, forgers)
}

func TestWorker_IsTrueToTheBooksWithoutSignatures(t *testing.T) {
	t.Parallel()
	meet(t, qfpay.VerifyAlways, strippers)
}

const (
	oddOrders = 2  // of each gateway: too few for the circuit breaker
	oddCalls  = 14 // the most for one order
)

// meet gives each gateway a merchant with a few orders, and runs them all through one worker and one
// simulator. The number of an order says which gateway it meets. Every order must have one result,
// which is true by the simulator's books, after a few calls, and no create may follow one that was
// carried out under the same number.
func meet(t *testing.T, verify qfpay.Verify, gateways []oddGateway) {
	accounts := simulator.SampleAccounts(len(gateways))
	r := newRig(t, simulator.Config{Merchants: accounts})
	r.config.Verify, r.config.Concurrency, r.config.Merchants = verify, 64, nil
	for i, a := range accounts {
		r.config.Merchants = append(r.config.Merchants, Merchant{Merchant: qfpay.Merchant{Name: fmt.Sprintf("m%02d", i),
			BaseURL: "http://gateway", AppCode: a.AppCode, Key: a.Key}})
	}
	r.gateway.Choose(faultsOf(gateways))
	orders := r.enqueue(oddOrders*len(gateways), func(i int, o *tasks.Order) {
		g := gateways[i/oddOrders]
		o.Merchant, o.OutTradeNo = fmt.Sprintf("m%02d", i/oddOrders), fmt.Sprintf("g%02d-%d", i/oddOrders, i%oddOrders)
		o.Deadline = time.Now().Add(time.Minute)
		if strings.HasPrefix(string(g.always), "payment.") { // no create will ever be carried out
			o.Deadline = time.Now().Add(time.Second)
		}
		if g.payType != "" {
			o.PayType = g.payType
		}
	})
	r.start()
	results := r.results(len(orders))
	r.agree(results)
	calls, stored := map[string]int{}, map[string]bool{}
	for _, c := range r.gateway.Calls() {
		own, _, _ := strings.Cut(c.OutTradeNo, "_")
		calls[own]++
		if c.Endpoint == "payment" && stored[c.OutTradeNo] {
			t.Errorf("%s: a create after one that was carried out", c.OutTradeNo)
		}
		stored[c.OutTradeNo] = stored[c.OutTradeNo] || c.Stored
	}
	for i, o := range orders {
		g, res := gateways[i/oddOrders], results[o.OutTradeNo]
		if g.outcome != "" && res.Outcome != string(g.outcome) {
			t.Errorf("%s: %s (%s), want %s: %+v", o.OutTradeNo, res.Outcome, res.Reason, g.outcome, g)
		}
		if n := calls[o.OutTradeNo]; n > oddCalls {
			t.Errorf("%s: %d calls: %+v", o.OutTradeNo, n, g)
		}
	}
}

// faultsOf chooses the fault of each call by the number of its order.
func faultsOf(gateways []oddGateway) func(simulator.Call) simulator.Fault {
	met := map[string]int{}
	return func(c simulator.Call) simulator.Fault {
		own, _, _ := strings.Cut(c.OutTradeNo, "_")
		var i int
		if _, err := fmt.Sscanf(own, "g%d-", &i); err != nil {
			return ""
		}
		g := gateways[i]
		fault, times := g.close, 1
		switch c.Endpoint {
		case "payment":
			fault = g.create
		case "query":
			fault, times = g.query, 4
		}
		if met[own+c.Endpoint]++; fault != "" && met[own+c.Endpoint] <= times {
			return fault
		}
		if scope, _, scoped := strings.Cut(string(g.always), "."); scoped && scope != c.Endpoint {
			return ""
		}
		return g.always
	}
}
