package simulator

import (
	"net/http"
	"strconv"
	"time"
)

// refund answers /trade/v1/refund, which refunds all or part of a paid order under a new
// out_trade_no. Payments and refunds must not have the same out_trade_no.
func (b *books) refund(in arrival) answer {
	p, now := in.request.params, in.due
	if m := missing(p, "syssn", "out_trade_no", "txamt", "txdtm"); m != "" {
		return refuse("1104", m)
	}
	for _, name := range []string{"out_trade_no", "txamt", "txdtm"} {
		if must := paramChecks[name](p[name], payTypeRule{}); must != "" {
			return refuse("1104", name+": "+must)
		}
	}
	n := number{in.account.AppCode, p["mchid"], p["out_trade_no"]}
	if used := b.ledger.holds(n); len(used) > 0 && b.config.Duplicate != DuplicateNone {
		if b.config.Duplicate == DuplicateReissue { // for payments only
			return refuse("1251", "out_trade_no is used")
		}
		return b.duplicate(used[len(used)-1], p, now)
	}
	o := b.ledger.bySyssn[p["syssn"]]
	if o == nil || o.OrderType != typePayment || o.AppCode != in.account.AppCode || o.MchID != p["mchid"] {
		return refuse("1136", "")
	}
	o.expire(now)
	amount, _ := strconv.ParseInt(p["txamt"], 10, 64)
	switch {
	case o.State != Paid:
		return refuse(stateRespCd(o), "")
	case !payTypeRules[string(o.PayType)].refund:
		return refuse("1150", "not supported for this pay type")
	case amount > o.TxAmt-o.Refunded:
		return refuse("1266", "txamt: more than is left")
	}
	r := b.giveBack(o, amount, p["out_trade_no"], now)
	a := answer{status: http.StatusOK, respcd: "0000", stored: true, fields: object{
		{"syssn", r.Syssn}, {"orig_syssn", o.Syssn}, {"out_trade_no", r.OutTradeNo},
		{"txamt", p["txamt"]}, {"txcurrcd", o.TxCurrCd}, {"txdtm", p["txdtm"]}, {"sysdtm", r.SysDtm},
		{"chnlsn", ""}, {"respcd", "0000"}, {"resperr", respErrOf("0000")}, {"respmsg", ""},
	}}
	r.TxDtm = p["txdtm"]
	return a
}

// giveBack refunds amount of a paid order, stores the refund under its number, and
// has it notified. A refund that nobody gave a number, by a reversal or in QFPay's
// portal, is known by its own syssn.
func (b *books) giveBack(o *Order, amount int64, outTradeNo string, now time.Time) *Order {
	o.Refunded += amount
	if o.Refunded == o.TxAmt {
		o.State = Refunded
	}
	r := &Order{AppCode: o.AppCode, MchID: o.MchID, OrderType: typeRefund, OutTradeNo: outTradeNo,
		Syssn: b.newSyssn(now), OrigSyssn: o.Syssn, PayType: o.PayType, TxAmt: amount, TxCurrCd: o.TxCurrCd,
		TxDtm: stamp(now), SysDtm: stamp(now), PayDtm: stamp(now), NotifyURL: o.NotifyURL,
		State: Paid, Stored: now, Visible: now}
	if r.OutTradeNo == "" {
		r.OutTradeNo = r.Syssn
	}
	b.ledger.store(r)
	b.notify(r, o, now)
	return r
}

// pay marks an unpaid order as paid.
func (b *books) pay(o *Order, now time.Time) {
	o.State, o.PayDtm = Paid, stamp(now)
	b.notify(o, nil, now)
}
