package simulator

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// refundOf returns the parameters of a refund.
func refundOf(syssn, no, amount string) qfpay.Params {
	return qfpay.Params{"syssn": syssn, "out_trade_no": no, "txamt": amount, "txdtm": "2026-03-10 12:00:00"}
}

func TestRefund_NoMoreIsRefundedThanWasPaid(t *testing.T) {
	g := still(Config{})
	syssn := expect(t, g, "payment", order("A1"), "0000").str("syssn")
	expect(t, g, "refund", refundOf(syssn, "R0", "100"), "1261") // not paid yet
	if err := g.Pay("A1"); err != nil {
		t.Fatal(err)
	}
	expect(t, g, "refund", refundOf(syssn, "R1", "100"), "0000")
	expect(t, g, "refund", refundOf(syssn, "R2", "201"), "1266")
	expect(t, g, "refund", refundOf(syssn, "R2", "200"), "0000")
	expect(t, g, "refund", refundOf(syssn, "R3", "1"), "1262")
	expect(t, g, "refund", refundOf("0", "R3", "1"), "1136")
	if got := state(g, "A1"); got != Refunded {
		t.Error(got)
	}
}

func TestRefund_PaymentsAndRefundsShareTheirNumbers(t *testing.T) {
	g := still(Config{})
	syssn := expect(t, g, "payment", order("A1"), "0000").str("syssn")
	g.Pay("A1")
	expect(t, g, "refund", refundOf(syssn, "A1", "100"), "1102")
	expect(t, g, "refund", refundOf(syssn, "R1", "100"), "0000")
	expect(t, g, "refund", refundOf(syssn, "R1", "100"), "1102")
	expect(t, g, "payment", order("R1"), "1102")
	var types []string
	for _, o := range g.Orders() {
		types = append(types, o.OrderType+" "+o.OutTradeNo)
	}
	if diff := cmp.Diff([]string{"payment A1", "refund R1"}, types); diff != "" {
		t.Error(diff)
	}
}

func TestRefund_SomeWalletsRefundNothing(t *testing.T) {
	for _, payType := range []string{"802001", "803701"} {
		g := still(Config{})
		syssn := expect(t, g, "payment", order("A1", "pay_type", payType), "0000").str("syssn")
		g.Pay("A1")
		expect(t, g, "refund", refundOf(syssn, "R1", "100"), "1150")
	}
}
