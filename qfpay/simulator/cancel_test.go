package simulator

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestCancel_ThePayTypeAllowsCloseOrReversal(t *testing.T) {
	for _, test := range []struct {
		payType, endpoint, respcd string
	}{
		{"800101", "reversal", "0000"}, {"800101", "close", "1297"},
		{"801501", "reversal", "0000"}, {"801501", "close", "1297"},
		{"800201", "reversal", "0000"}, {"800201", "close", "0000"},
		{"805801", "reversal", "1297"}, {"805801", "close", "1297"},
		{"802001", "reversal", "1297"}, {"803701", "close", "1297"}, {"800701", "reversal", "1297"},
	} {
		t.Run(test.payType+" "+test.endpoint, func(t *testing.T) {
			g := still(Config{})
			expect(t, g, "payment", order("A1", "pay_type", test.payType), "0000")
			r := expect(t, g, test.endpoint, order("A1"), test.respcd)
			want, syssn := Closed, true
			if test.respcd != "0000" {
				want, syssn = Created, false
			}
			if got := state(g, "A1"); got != want || (r.str("orig_syssn") != "") != syssn {
				t.Errorf("%s, %s", got, r.raw)
			}
		})
	}
}

func TestCancel_AReversalIsAnsweredWithThePrintedFields(t *testing.T) {
	g := still(Config{})
	syssn := expect(t, g, "payment", order("A1"), "0000").str("syssn")
	r := expect(t, g, "reversal", order("A1"), "0000")
	want := `{"syssn": "20260310000200000000000002", "orig_syssn": "` + syssn + `", "txamt": "300", "txcurrcd": "HKD", ` +
		`"txdtm": "2026-03-10 12:00:00", "sysdtm": "2026-03-10 12:00:00", "chnlsn": "", "respcd": "0000", "resperr": "success", ` +
		`"respmsg": "", "surcharge_fee": "0", "surcharge_rate": "0"}`
	if diff := cmp.Diff(want, r.raw); diff != "" {
		t.Error(diff)
	}
}

func TestCancel_APaidOrderIsRefundedByReversalAndRefusedByClose(t *testing.T) {
	for endpoint, want := range map[string]struct {
		respcd string
		state  State
	}{"reversal": {"0000", Refunded}, "close": {"1146", Paid}} {
		g := still(Config{})
		expect(t, g, "payment", order("A1", "pay_type", "800201"), "0000")
		if err := g.Pay("A1"); err != nil {
			t.Fatal(err)
		}
		r := expect(t, g, endpoint, order("A1"), want.respcd)
		if got := state(g, "A1"); got != want.state || r.str("orig_syssn") == "" {
			t.Errorf("%s: %s, %s", endpoint, got, r.raw)
		}
	}
}

func TestCancel_AnOrderEndsOnce(t *testing.T) {
	for _, test := range []struct {
		why    string
		end    func(*testing.T, *Gateway)
		respcd string
	}{
		{"closed", func(t *testing.T, g *Gateway) { expect(t, g, "close", order("A1"), "0000") }, "1264"},
		{"reversed", func(t *testing.T, g *Gateway) { expect(t, g, "reversal", order("A1"), "0000") }, "1263"},
		{"expired", func(_ *testing.T, g *Gateway) { g.Advance(time.Hour) }, "1181"},
		{"refunded", func(_ *testing.T, g *Gateway) { g.Pay("A1"); g.Refund("A1") }, "1262"},
	} {
		t.Run(test.why, func(t *testing.T) {
			g := still(Config{})
			expect(t, g, "payment", order("A1", "pay_type", "800201"), "0000")
			test.end(t, g)
			expect(t, g, "close", order("A1"), test.respcd)
			if err := g.Pay("A1"); err == nil || !strings.Contains(err.Error(), "A1") {
				t.Errorf("could be paid: %v", err)
			}
		})
	}
}

func TestCancel_ACancellationMustNameItsOrder(t *testing.T) {
	for _, test := range []struct {
		why    string
		params qfpay.Params
		respcd string
	}{
		{"no number", qfpay.Params{"txamt": "300", "txdtm": "2026-03-10 12:00:00"}, "1104"},
		{"no amount", qfpay.Params{"out_trade_no": "A1", "txdtm": "2026-03-10 12:00:00"}, "1104"},
		{"no time", qfpay.Params{"out_trade_no": "A1", "txamt": "300"}, "1104"},
		{"another amount", order("A1", "txamt", "301"), "1104"},
		{"another number", order("A2"), "1136"},
		{"another syssn", order("A1", "syssn", "1"), "1136"},
	} {
		t.Run(test.why, func(t *testing.T) {
			g := still(Config{})
			expect(t, g, "payment", order("A1"), "0000")
			expect(t, g, "reversal", test.params, test.respcd)
			if state(g, "A1") != Created {
				t.Error("and yet it was closed")
			}
		})
	}
}

func TestCancel_ACancellationCanBeARowOfItsOwn(t *testing.T) {
	g := still(Config{CloseRows: true})
	expect(t, g, "payment", order("A1"), "0000")
	expect(t, g, "reversal", order("A1"), "0000")
	var got []string
	for _, row := range expect(t, g, "query", qfpay.Params{"out_trade_no": "A1"}, "0000").rows() {
		got = append(got, row["order_type"].(string)+" "+row["respcd"].(string))
	}
	if diff := cmp.Diff([]string{"payment 1142", "close 0000"}, got); diff != "" {
		t.Error(diff)
	}
}
