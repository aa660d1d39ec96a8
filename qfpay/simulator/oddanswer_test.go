package simulator

import (
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// use makes every call have a fault.
func use(t *testing.T, g *Gateway, f Fault) {
	t.Helper()
	if err := g.SetFaults(Faults{f: 1}); err != nil {
		t.Fatal(err)
	}
}

// oddAnswers are what the faults make of the answer to a create, a query or a reversal.
var oddAnswers = []struct {
	fault    Fault
	endpoint string
	has      string
	hasNot   string
}{
	{"txamt_number", "payment", `"txamt": 300,`, ""},
	{"txamt_number", "query", `"txamt": 300,`, ""},
	{"txamt_float", "payment", `"txamt": 300.0,`, ""},
	{"txamt_float", "query", `"txamt": 300.0,`, ""},
	{"txamt_zeros", "query", `"txamt": "000000000300"`, ""},
	{"txamt_major", "query", `"txamt": "3.00"`, ""},
	{"currency_lower", "query", `"txcurrcd": "hkd"`, ""},
	{"currency_number", "reversal", `"txcurrcd": "344"`, ""},
	{"number_case", "query", `"out_trade_no": "a1"`, ""},
	{"respmsg_list", "payment", `"respmsg": []`, ""},
	{"respmsg_false", "reversal", `"respmsg": false`, ""},
	{"chnlsn_false", "query", `"chnlsn": false`, ""},
	{"sysdtm_object", "query", `"sysdtm": {}`, ""},
	{"no_qrcode", "payment", `"respcd": "0000"`, "qrcode"},
	{"code_url", "payment", `"code_url": "https://qr.alipay.com/`, "qrcode"},
	{"qrcode_newline", "payment", `\n", "pay_type"`, ""},
	{"wrong_echo", "payment", `"out_trade_no": "A10"`, ""},
	{"data_missing", "query", `"respcd": "0000"`, "data"},
	{"data_null", "query", `"data": null`, "syssn"},
	{"data_object", "query", `"data": {"cardcd"`, ""},
	{"data_renamed", "query", `"list": [{`, "data"},
	{"order_type_odd", "query", `"order_type": "trade"`, ""},
	{"page_text", "query", `"page": "1", "page_size": "10"`, ""},
	{"bom", "query", "\ufeff{", ""},
	{"respcd_1251:订单号重复", "payment", `"resperr": "\u8ba2\u5355\u53f7\u91cd\u590d", "respcd": "1251", "respmsg": ""`, ""},
	{"respcd_1104:filter error", "payment", `"respcd": "1104", "respmsg": "filter error"`, ""},
	{"unscanned", "reversal", `"respcd": "1136"`, "syssn"},
}

func TestFault_OddAnswersAreOddAsTheySayAndSigned(t *testing.T) {
	for _, c := range oddAnswers {
		g := still(Config{})
		no := "A1"
		if c.endpoint != "payment" {
			expect(t, g, "payment", order(no), "0000")
		}
		use(t, g, c.fault)
		r := call(t, g, c.endpoint, order(no, "page", "1"))
		if !strings.Contains(r.raw, c.has) || c.hasNot != "" && strings.Contains(r.raw, c.hasNot) {
			t.Errorf("%s at %s: %s", c.fault, c.endpoint, r.raw)
		}
		body := strings.TrimPrefix(r.raw, "\ufeff")
		if r.header.Get("X-QF-SIGN") != qfpay.MD5.SignText([]byte(body), SampleKey) {
			t.Errorf("%s at %s: the signature is not that of the answer", c.fault, c.endpoint)
		}
		for _, o := range g.Orders() { // the books know better
			if want := order(no); o.OutTradeNo != no || o.TxCurrCd != want["txcurrcd"] || o.TxAmt != 300 || o.QRCode == "" {
				t.Errorf("%s at %s: %+v", c.fault, c.endpoint, o)
			}
		}
	}
}

func TestFault_StatusesKeepQFPaysAnswerOrAPage(t *testing.T) {
	for _, c := range []struct {
		fault    Fault
		status   int
		body     string
		location bool
	}{
		{"status_202", 202, `"respcd": "0000"`, false},
		{"respcd_1147_http_422", 422, `"respcd": "1147"`, false},
		{"respcd_1147_live_http_422", 422, `"respcd": "1147"`, false},
		{"http_303_after", 303, "<html>", true},
		{"http_307", 307, "<html>", true},
		{"http_400_after", 400, "<html>", false},
		{"html_after", 200, "<html>", false},
	} {
		g := still(Config{Faults: Faults{c.fault: 1}})
		r := call(t, g, "payment", order("A1"))
		if r.status != c.status || !strings.Contains(r.raw, c.body) || (r.header.Get("Location") != "") != c.location {
			t.Errorf("%s: %d %v %s", c.fault, r.status, r.header, r.raw)
		}
	}
}

func TestFault_CompressionIsSaidOrNot(t *testing.T) {
	for _, c := range []struct {
		fault      Fault
		encoding   string
		compressed bool
	}{{"gzip", "gzip", true}, {"gzip_unsaid", "", true}, {"gzip_untrue", "gzip", false}, {"encoding_odd", "UTF-8", false}} {
		g := still(Config{Faults: Faults{c.fault: 1}})
		r := call(t, g, "payment", order("A1"))
		body := r.raw
		if c.compressed {
			z, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatalf("%s: %v", c.fault, err)
			}
			plain, err := io.ReadAll(z)
			if err != nil {
				t.Fatalf("%s: %v", c.fault, err)
			}
			body = string(plain)
		}
		if r.header.Get("Content-Encoding") != c.encoding || !strings.HasPrefix(body, `{"surcharge_fee"`) ||
			r.header.Get("X-QF-SIGN") != qfpay.MD5.SignText([]byte(body), SampleKey) {
			t.Errorf("%s: %v %q", c.fault, r.header, body)
		}
	}
}

// Every fault of the table is in one of the tests' tables.
func TestFault_EveryOneIsTested(t *testing.T) {
	t.Parallel()
	tested := []Fault{"young", "idle", "gzip", "gzip_unsaid", "gzip_untrue", "encoding_odd"}
	for _, c := range oddAnswers {
		tested = append(tested, c.fault)
	}
	for name := range faultsOfACreate {
		tested = append(tested, name)
	}
	for _, name := range everyName() {
		if !slices.Contains(tested, name) {
			t.Errorf("%s is in no test", name)
		}
	}
}

func TestFault_YoungOrdersOfWeChatAreNotClosed(t *testing.T) {
	g := still(Config{Faults: Faults{"young": 1}})
	expect(t, g, "payment", order("W1", "pay_type", "800201"), "0000")
	expect(t, g, "payment", order("A1"), "0000")
	expect(t, g, "close", order("W1"), "1146")
	expect(t, g, "reversal", order("A1"), "0000") // of another wallet
	g.Advance(5*time.Minute - 1)
	expect(t, g, "close", order("W1"), "1146")
	g.Advance(1)
	expect(t, g, "close", order("W1"), "0000")
}

func TestFault_AnOrderIsClosedOnceItWasScanned(t *testing.T) {
	g := still(Config{Faults: Faults{"unscanned": 1}})
	expect(t, g, "payment", order("A1"), "0000")
	expect(t, g, "reversal", order("A1"), "1136")
	if err := g.Scan("A1"); err != nil || state(g, "A1") != Created {
		t.Fatal(err, state(g, "A1"))
	}
	expect(t, g, "reversal", order("A1"), "0000")
	if err := g.Scan("A1"); err == nil {
		t.Error("a closed order was scanned")
	}
}

// One pay type, or one order, meets a fault; the others do not. A query and a close count as
// those of the order that they are about.
func TestFault_SomeOrdersMeetItAndOthersDoNot(t *testing.T) {
	g := still(Config{Faults: Faults{"respcd_1104:filter error@800201": 1, "http_403@B*": 1, "query.respcd_1298@A2": 1}})
	expect(t, g, "payment", order("A1"), "0000")
	expect(t, g, "payment", order("A2"), "0000")
	if r := expect(t, g, "payment", order("A3", "pay_type", "800201"), "1104"); r.str("respmsg") != "filter error" {
		t.Error(r.raw)
	}
	if r := call(t, g, "payment", order("B1")); r.status != 403 {
		t.Error(r.raw)
	}
	expect(t, g, "query", qfpay.Params{"out_trade_no": "A1"}, "0000")
	expect(t, g, "query", qfpay.Params{"out_trade_no": "A1,A2"}, "1298")
	if r := call(t, g, "query", qfpay.Params{"out_trade_no": "A1,B7"}); r.status != 403 {
		t.Error(r.raw)
	}
	g.SetFaults(Faults{"drop": 1, "reset@B*": 1}) // those of some orders are drawn first
	if got := outcome(send(t.Context(), g, "payment", order("B2"))); got != "reset" {
		t.Error(got)
	}
	g.SetFaults(nil)
	expect(t, g, "payment", order("W1", "pay_type", "800201"), "0000")
	use(t, g, "close.respcd_1146@800201")
	expect(t, g, "close", order("W1"), "1146") // by the pay type in the books
	expect(t, g, "close", order("A1"), "1297")
}

// Somebody without the key has his code believed by nobody who looks at what is signed.
func TestFault_AForgerHasNoSignatureOfHisOwn(t *testing.T) {
	for _, f := range []Fault{"reflected", "reflected_after", "stripped_after", "outside_data"} {
		g := still(Config{Faults: Faults{f: 1}})
		request := form(t.Context(), "http://x", "payment", order("A1"))
		asked := request.Header.Get("X-QF-SIGN")
		r, err := do(g.Transport(), request)
		if err != nil || r.str("qrcode") != forgedCode || r.str("respcd") != "0000" || r.str("out_trade_no") != "A1" {
			t.Errorf("%s: %v %s", f, err, r.raw)
		}
		signature := r.header.Get("X-QF-SIGN")
		data, _ := r.json["data"].(map[string]any)
		switch f {
		case "stripped_after":
			if signature != "" {
				t.Errorf("%s: there is a signature", f)
			}
		case "outside_data":
			if data["qrcode"] != g.Orders()[0].QRCode || signature == "" {
				t.Errorf("%s: %s", f, r.raw)
			}
		default:
			if signature != asked || r.header.Get("X-QF-SIGNTYPE") != "SHA256" || data["txamt"] != "300" || data["qrcode"] != nil {
				t.Errorf("%s: %s, %s", f, signature, r.raw)
			}
		}
		if len(g.Orders()) > 0 && g.Orders()[0].QRCode == forgedCode {
			t.Errorf("%s: the forgery is in the books", f)
		}
	}
	g := still(Config{})
	expect(t, g, "payment", order("A1"), "0000")
	use(t, g, "reflected_after")
	if rows := expect(t, g, "query", qfpay.Params{"out_trade_no": "A1"}, "0000").rows(); rows[0]["respcd"] != "1142" {
		t.Error(rows)
	}
	use(t, g, "reflected")
	if expect(t, g, "reversal", order("A1"), "0000"); state(g, "A1") != Created {
		t.Error("a close that was only said to be done was done")
	}
}

func TestFault_ReplayedAnswersAreOldAndSigned(t *testing.T) {
	g := still(Config{})
	first := expect(t, g, "payment", order("A1"), "0000")
	ask := qfpay.Params{"out_trade_no": "A1"}
	expect(t, g, "query", ask, "0000")
	use(t, g, "replayed")
	if r := call(t, g, "payment", order("A2")); r.raw != first.raw || r.header.Get("X-QF-SIGN") != first.header.Get("X-QF-SIGN") {
		t.Error("not the answer about A1:", r.raw)
	}
	if state(g, "A2") != Created {
		t.Error("A2 was not created")
	}
	g.SetFaults(nil)
	if err := g.Pay("A1"); err != nil {
		t.Fatal(err)
	}
	use(t, g, "replayed_older")
	if rows := expect(t, g, "query", ask, "0000").rows(); rows[0]["respcd"] != "1145" {
		t.Error("not the answer from before the payment:", rows)
	}
}

func TestHistory_ForgetsTheOldest(t *testing.T) {
	var h history
	for range 5 * longMemory {
		h = h.hear(request{}, answer{respcd: "0000", signature: "x"})
	}
	if len(h) < longMemory || len(h) > 2*longMemory {
		t.Error(len(h))
	}
	if n := len(h.hear(request{}, answer{respcd: "1104", signature: "x"})); n != len(h) {
		t.Error("a refusal was kept")
	}
}

func TestRetryAfter_IsSecondsOrADateByTheGatewaysClock(t *testing.T) {
	for _, c := range []struct {
		mode RetryAfter
		want string
	}{{"", ""}, {RetryAfterSeconds, "2"}, {RetryAfterDate, "Tue, 10 Mar 2026 04:00:02 GMT"}} {
		g := still(Config{RetryAfter: c.mode, Faults: Faults{"http_503": 1}})
		r := call(t, g, "payment", order("A1"))
		if got := r.header.Get("Retry-After"); got != c.want || r.header.Get("Date") != "Tue, 10 Mar 2026 04:00:00 GMT" {
			t.Errorf("%q: Retry-After %s, Date %s", c.mode, got, r.header.Get("Date"))
		}
	}
}
