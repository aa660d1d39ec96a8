package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// youngAge is how old an order must be for WeChat Pay to close it (its API documentation).
const youngAge = 5 * time.Minute

// cancel answers close and reversal. Config.Closing says which of them a pay type supports.
// Both close an unpaid order. reversal refunds a paid order, and close refuses it (Chinese
// overseas document, 2016 and 2017).
func (b *books) cancel(in arrival) answer {
	p, now, endpoint := in.request.params, in.due, in.request.endpoint
	o, refusal := b.original(in.account.AppCode, p, now)
	if o == nil {
		return refusal
	}
	if !slices.Contains(b.config.Closing[o.PayType], endpoint) {
		// An answer without syssn, or 1297, means that it is not supported (2018).
		return refuse("1297", "not supported for this pay type")
	}
	switch {
	case o.State == Created && in.effect.unscanned && !o.Scanned:
		// At Alipay, a precreated trade does not exist before it is scanned.
		return refuse("1136", "")
	case o.State == Created && in.effect.young && o.PayType == qfpay.WeChat && now.Sub(o.Stored) < youngAge:
		return b.cancelRefused(o, "1146", now)
	case o.State == Created && in.effect.idle:
	case o.State == Created:
		o.State, o.endedBy = Closed, endpoint
	case o.State == Paid && endpoint == endpointReversal:
		b.giveBack(o, o.TxAmt-o.Refunded, "", now)
	case o.State == Paid:
		return b.cancelRefused(o, "1146", now)
	default:
		return b.cancelRefused(o, stateRespCd(o), now)
	}
	return b.cancelled(o, p, endpoint, now)
}

// payTypeOf returns the pay type of the order that a request is about, if it is about one that is
// known.
func (b *books) payTypeOf(q request) qfpay.PayType {
	if o := b.payment(q.appCode, q.params); o != nil && q.endpoint != endpointPayment {
		return o.PayType
	}
	return qfpay.PayType(q.params["pay_type"])
}

// original finds the order of a cancellation, and checks that the parameters match.
func (b *books) original(appCode string, p qfpay.Params, now time.Time) (*Order, answer) {
	if p["syssn"] == "" && p["out_trade_no"] == "" {
		return nil, refuse("1104", "syssn or out_trade_no: missing")
	}
	if m := missing(p, "txamt", "txdtm"); m != "" {
		return nil, refuse("1104", m)
	}
	if _, ok := dateTime(p["txdtm"]); !ok {
		return nil, refuse("1104", "txdtm: must be YYYY-MM-DD HH:mm:ss")
	}
	o := b.payment(appCode, p)
	if o == nil {
		return nil, refuse("1136", "")
	}
	o.expire(now)
	if p["txamt"] != strconv.FormatInt(o.TxAmt, 10) {
		return nil, refuse("1104", "txamt: must be the amount of the order")
	}
	return o, answer{}
}

// payment finds a payment by its syssn, or else the newest one by its order number.
func (b *books) payment(appCode string, p qfpay.Params) *Order {
	if syssn := p["syssn"]; syssn != "" {
		o := b.ledger.bySyssn[syssn]
		if o == nil || o.OrderType != typePayment || o.AppCode != appCode || o.MchID != p["mchid"] ||
			p["out_trade_no"] != "" && p["out_trade_no"] != o.OutTradeNo {
			return nil
		}
		return o
	}
	for _, o := range slices.Backward(b.ledger.byNumber[number{appCode, p["mchid"], p["out_trade_no"]}]) {
		if o.OrderType == typePayment {
			return o
		}
	}
	return nil
}

// cancelled returns the answer to a successful cancellation: the documented fields, with the
// surcharges as strings, as on the reversal page.
func (b *books) cancelled(o *Order, p qfpay.Params, endpoint string, now time.Time) answer {
	syssn := b.newSyssn(now)
	if b.config.CloseRows {
		b.ledger.store(&Order{AppCode: o.AppCode, MchID: o.MchID, OrderType: typeClose, OutTradeNo: o.OutTradeNo,
			Syssn: syssn, OrigSyssn: o.Syssn, PayType: o.PayType, TxAmt: o.TxAmt, TxCurrCd: o.TxCurrCd,
			TxDtm: p["txdtm"], SysDtm: stamp(now), State: Paid, Stored: now, Visible: now})
	}
	fields := object{
		{"syssn", syssn}, {"orig_syssn", o.Syssn},
		{"txamt", strconv.FormatInt(o.TxAmt, 10)}, {"txcurrcd", o.TxCurrCd},
		{"txdtm", p["txdtm"]}, {"sysdtm", stamp(now)}, {"chnlsn", ""},
		{"respcd", "0000"}, {"resperr", respErrOf("0000")}, {"respmsg", ""},
	}
	if endpoint == endpointReversal {
		fields = append(fields, field{"surcharge_fee", "0"}, field{"surcharge_rate", "0"})
	}
	return answer{status: http.StatusOK, respcd: "0000", fields: fields}
}

// cancelRefused has the form of the one captured refusal (QA scripts, 2016).
func (b *books) cancelRefused(o *Order, respcd string, now time.Time) answer {
	return answer{status: http.StatusOK, respcd: respcd, fields: object{
		{"resperr", respErrOf(respcd)}, {"respcd", respcd}, {"respmsg", ""},
		{"syssn", b.newSyssn(now)}, {"orig_syssn", o.Syssn},
	}}
}
