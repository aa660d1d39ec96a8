package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// numbers returns the out_trade_no of the rows of a query.
func numbers(r reply) []string {
	var all []string
	for _, row := range r.rows() {
		all = append(all, row["out_trade_no"].(string))
	}
	return all
}

func TestQuery_OneMonthIsSeenAndNoOther(t *testing.T) {
	// 2026-03-31 23:59:59 in Beijing, when it is still the afternoon in London.
	last := time.Date(2026, 3, 31, 15, 59, 59, 0, time.UTC)
	g := New(Config{Now: stoppedAt(last)})
	march := expect(t, g, "payment", order("march"), "0000")
	g.Advance(time.Second)
	expect(t, g, "payment", order("april"), "0000")
	within := func(from, to string, more ...string) qfpay.Params {
		p := qfpay.Params{"start_time": from, "end_time": to}
		for i := 0; i < len(more); i += 2 {
			p[more[i]] = more[i+1]
		}
		return p
	}
	for _, test := range []struct {
		why  string
		ask  qfpay.Params
		want []string
	}{
		{"the current month when none is given: proves nothing about the last", qfpay.Params{"out_trade_no": "march"}, nil},
		{"the current month", qfpay.Params{"out_trade_no": "march,april"}, []string{"april"}},
		{"the current month by syssn too", qfpay.Params{"syssn": march.str("syssn")}, nil},
		{"by syssn, with its month", within("2026-03-01 00:00:00", "2026-03-31 23:59:59", "syssn", march.str("syssn")), []string{"march"}},
		{"the whole of March", within("2026-03-01 00:00:00", "2026-03-31 23:59:59", "out_trade_no", "march,april"), []string{"march"}},
		{"without a number", within("2026-03-01 00:00:00", "2026-03-31 23:59:59"), []string{"march"}},
		{"up to a second before", within("2026-03-01 00:00:00", "2026-03-31 23:59:58"), nil},
		{"from the very second", within("2026-04-01 00:00:00", "2026-04-01 00:00:00"), []string{"april"}},
		{"of another pay type", qfpay.Params{"out_trade_no": "april", "pay_type": "800201"}, nil},
		{"of its pay type", qfpay.Params{"out_trade_no": "april", "pay_type": "800201,800101"}, []string{"april"}},
		{"with a result it has not", qfpay.Params{"out_trade_no": "april", "respcd": "0000"}, nil},
	} {
		t.Run(test.why, func(t *testing.T) {
			r := expect(t, g, "query", test.ask, "0000")
			if diff := cmp.Diff(test.want, numbers(r)); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(r.raw, `"data": [`) {
				t.Error("data is not a list:", r.raw)
			}
		})
	}
}

func TestQuery_AQueryThatCannotBeAnsweredIsRefused(t *testing.T) {
	for _, test := range []struct {
		why   string
		ask   qfpay.Params
		field string
	}{
		{"asks for nothing", qfpay.Params{"page": "1"}, "syssn"},
		{"half a window", qfpay.Params{"out_trade_no": "a", "start_time": "2026-03-01 00:00:00"}, "start_time"},
		{"two months", qfpay.Params{"start_time": "2026-03-01 00:00:00", "end_time": "2026-04-01 00:00:00"}, "start_time"},
		{"backwards", qfpay.Params{"start_time": "2026-03-02 00:00:00", "end_time": "2026-03-01 00:00:00"}, "end_time"},
		{"no time", qfpay.Params{"start_time": "2026-03-02 00:00:00", "end_time": "2026-03-40 00:00:00"}, "end_time"},
		{"a list of more than 128 characters", qfpay.Params{"out_trade_no": strings.Repeat("a", 64) + "," + strings.Repeat("b", 64)}, "out_trade_no"},
		{"page nought", qfpay.Params{"out_trade_no": "a", "page": "0"}, "page"},
		{"no size", qfpay.Params{"out_trade_no": "a", "page_size": "many"}, "page_size"},
	} {
		t.Run(test.why, func(t *testing.T) {
			r := expect(t, still(Config{}), "query", test.ask, "1104")
			if !strings.HasPrefix(r.str("respmsg"), test.field) {
				t.Error(r.raw)
			}
		})
	}
}

func TestQuery_RowsComeInPagesOfAtMostAHundred(t *testing.T) {
	g := still(Config{PerSecond: NoLimit, PerMinute: NoLimit})
	for i := range 205 {
		expect(t, g, "payment", order(fmt.Sprint("n", i)), "0000")
	}
	for _, test := range []struct {
		page, size string
		rows       int
	}{{"", "", 10}, {"1", "100", 100}, {"2", "100", 100}, {"3", "100", 5}, {"4", "100", 0}, {"1", "1000", 100}, {"2", "7", 7}} {
		ask := qfpay.Params{"start_time": "2026-03-01 00:00:00", "end_time": "2026-03-31 00:00:00"}
		if test.page != "" {
			ask["page"], ask["page_size"] = test.page, test.size
		}
		if got := len(expect(t, g, "query", ask, "0000").rows()); got != test.rows {
			t.Errorf("page %s of size %s: %d rows, want %d", test.page, test.size, got, test.rows)
		}
	}
}

func TestQuery_ARowSaysHowTheOrderStands(t *testing.T) {
	cancel := func(endpoint string) func(*testing.T, *Gateway) {
		return func(t *testing.T, g *Gateway) { expect(t, g, endpoint, order("A1"), "0000") }
	}
	for _, test := range []struct {
		why            string
		payType        string
		config         Config
		then           func(*testing.T, *Gateway)
		respcd, cancel string
	}{
		{"unpaid, Alipay (sample of 2017)", "800101", Config{}, nil, "1145", "0"},
		{"unpaid, WeChat (sample of 2018)", "800201", Config{}, nil, "1143", "0"},
		{"unpaid, another", "802001", Config{}, nil, "1143", "0"},
		{"paid", "800201", Config{}, func(_ *testing.T, g *Gateway) { g.Pay("A1") }, "0000", "0"},
		{"closed", "800201", Config{}, cancel("close"), "1142", "2"},
		{"reversed while unpaid", "800101", Config{}, cancel("reversal"), "1142", "2"},
		{"expired", "800101", Config{}, func(_ *testing.T, g *Gateway) { g.Advance(time.Hour) }, "1181", "0"},
		{"expired as in 2018", "800101", Config{Expired: "1142"}, func(_ *testing.T, g *Gateway) { g.Advance(time.Hour) }, "1142", "0"},
		{"refunded", "800101", Config{}, func(_ *testing.T, g *Gateway) { g.Pay("A1"); g.Refund("A1") }, "0000", "3"},
		{"partly refunded", "800101", Config{}, func(t *testing.T, g *Gateway) {
			g.Pay("A1")
			expect(t, g, "refund", order("R1", "syssn", g.Orders()[0].Syssn, "txamt", "100"), "0000")
		}, "0000", "5"},
	} {
		t.Run(test.why, func(t *testing.T) {
			g := still(test.config)
			expect(t, g, "payment", order("A1", "pay_type", test.payType), "0000")
			if test.then != nil {
				test.then(t, g)
			}
			rows := expect(t, g, "query", qfpay.Params{"out_trade_no": "A1"}, "0000").rows()
			if len(rows) != 1 {
				t.Fatalf("%d rows", len(rows))
			}
			got := []any{rows[0]["respcd"], rows[0]["cancel"], rows[0]["txamt"], rows[0]["order_type"]}
			if diff := cmp.Diff([]any{test.respcd, test.cancel, "300", "payment"}, got); diff != "" {
				t.Error(diff)
			}
			if _, has := rows[0]["qrcode"]; has {
				t.Error("a query returned the QR code, which QFPay never does")
			}
		})
	}
}

func TestQuery_ANewOrderIsSeenOnlyAfterTheVisibility(t *testing.T) {
	g := still(Config{Visibility: 2 * time.Second})
	expect(t, g, "payment", order("A1"), "0000")
	ask := qfpay.Params{"out_trade_no": "A1"}
	g.Advance(2*time.Second - 1)
	if n := len(expect(t, g, "query", ask, "0000").rows()); n != 0 {
		t.Error("seen too early")
	}
	expect(t, g, "payment", order("A1"), "1102") // for the number is taken all the same
	g.Advance(1)
	if n := len(expect(t, g, "query", ask, "0000").rows()); n != 1 {
		t.Error("not seen")
	}
}

func TestQuery_AnotherMerchantSeesNothing(t *testing.T) {
	accounts := SampleAccounts(2)
	g := still(Config{Merchants: accounts})
	expect(t, g, "payment", order("A1"), "0000")
	syssn := g.Orders()[0].Syssn
	for _, ask := range []qfpay.Params{{"out_trade_no": "A1"}, {"syssn": syssn}} {
		r := form(t.Context(), "http://x", "query", ask)
		r.Header.Set("X-QF-APPCODE", accounts[1].AppCode)
		got, err := do(g.Transport(), r)
		if err != nil || got.str("respcd") != "0000" || len(got.rows()) != 0 {
			t.Error(err, got.raw)
		}
	}
}
