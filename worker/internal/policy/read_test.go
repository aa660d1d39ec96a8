package policy

import (
	"errors"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Rows under our number as other writers note the same values: QFPay's pages print txamt as text
// and as a number, rows of 2017 have no currency, and a database may fold the case of a number.
func TestReadQuery_OurOrderIsOursInAnyNotation(t *testing.T) {
	t.Parallel()
	o := qfpay.Order{OutTradeNo: "Ord-1", PayType: qfpay.WeChat, TxAmt: 2500, TxCurrCd: "HKD", TxDtm: "2026-03-01 08:00:00"}
	sent := time.Date(2026, 3, 1, 8, 0, 1, 0, qfpay.Zone)
	row := func(set func(*qfpay.Record)) qfpay.Record {
		r := qfpay.Record{OutTradeNo: "Ord-1", PayType: qfpay.WeChat, TxAmt: "2500", TxCurrCd: "HKD", RespCd: "1143",
			TxDtm: "2026-03-01 08:00:00", SysDtm: "2026-03-01 08:00:02"}
		set(&r)
		return r
	}
	for _, c := range []struct {
		why  string
		set  func(*qfpay.Record)
		want Reply
	}{
		{"as we sent it", func(r *qfpay.Record) {}, Unpaid},
		{"amount 2500.0", func(r *qfpay.Record) { r.TxAmt = "2500.0" }, Unpaid},
		{"amount with zeros before it", func(r *qfpay.Record) { r.TxAmt = "000000002500" }, Unpaid},
		{"currency in lower case", func(r *qfpay.Record) { r.TxCurrCd = "hkd" }, Unpaid},
		{"currency as its number", func(r *qfpay.Record) { r.TxCurrCd = "344" }, Unpaid},
		{"no currency", func(r *qfpay.Record) { r.TxCurrCd = "" }, Unpaid},
		{"number in another case", func(r *qfpay.Record) { r.OutTradeNo = "ORD-1" }, Unpaid},
		{"number in another case, and another time of ours", func(r *qfpay.Record) { r.OutTradeNo, r.TxDtm = "ORD-1", "2026-03-01 07:59:00" }, MaybeOurs},
		// What still differs, while number, pay type and times are ours, is for a person.
		{"amount in major units", func(r *qfpay.Record) { r.TxAmt = "25.00" }, MaybeOurs},
		{"another amount", func(r *qfpay.Record) { r.TxAmt = "2600" }, MaybeOurs},
		{"an amount that is none", func(r *qfpay.Record) { r.TxAmt = "HKD 25" }, MaybeOurs},
		{"another currency", func(r *qfpay.Record) { r.TxCurrCd = "CNY" }, MaybeOurs},
		{"another amount, and no time", func(r *qfpay.Record) { r.TxAmt, r.SysDtm = "2600", "" }, MaybeOurs},
		// With another pay type, or of before we sent ours, it is somebody else's.
		{"another amount and pay type", func(r *qfpay.Record) { r.TxAmt, r.PayType = "2600", qfpay.FPS }, OtherOrder},
		{"another amount, of before", func(r *qfpay.Record) { r.TxAmt, r.SysDtm = "2600", "2026-02-01 08:00:00" }, OtherOrder},
		{"of before", func(r *qfpay.Record) { r.SysDtm = "2026-02-01 08:00:00" }, MaybeOurs},
		{"an unknown order_type", func(r *qfpay.Record) { r.OrderType = "mpm_trade" }, Unclear},
	} {
		if got, _ := ReadQuery([]qfpay.Record{row(c.set)}, nil, o, sent); got != c.want {
			t.Errorf("%s: read as %d, want %d", c.why, got, c.want)
		}
	}
}

// What of an answer concerns the merchant: its own codes at once, a status of a server on the way
// too, and an answer that cannot be used.
func TestFault_NamesWhatMayConcernEveryOrder(t *testing.T) {
	t.Parallel()
	status := func(n int) error { return &qfpay.Unanswered{Reason: "x", HTTPStatus: n} }
	for _, c := range []struct {
		err    error
		reason string
	}{
		{nil, ""},
		{errors.New("of the journal"), ""},
		{&qfpay.NotSent{Err: errors.New("refused")}, ""},
		{&qfpay.Throttled{ByGateway: true}, ""},
		{&qfpay.Unanswered{Reason: "timeout"}, ""},
		{&qfpay.Refusal{RespCd: "1108", Class: qfpay.Hold}, "1108"},
		{&qfpay.Refusal{RespCd: "1205", Class: qfpay.NotNow}, ""},
		{status(401), FaultHTTP}, {status(403), FaultHTTP}, {status(404), FaultHTTP}, {status(303), FaultHTTP},
		{status(400), FaultHTTP}, {status(422), FaultHTTP},
		{status(408), ""}, {status(502), ""},
		{&qfpay.Unanswered{Reason: "no_qrcode", HTTPStatus: 200, RespCd: "0000"}, FaultAnswer},
	} {
		if reason := Fault(c.err); reason != c.reason {
			t.Errorf("%v: %q; want %q", c.err, reason, c.reason)
		}
	}
}
