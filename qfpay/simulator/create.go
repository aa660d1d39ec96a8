package simulator

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// headStart is how long before the answer to its create a notification is sent.
const headStart = time.Second

// create stores an order, or refuses it.
func (g *Gateway) create(x *exchange) answer {
	p, now := x.request.params, x.due
	if wrong := checkCreate(p, x.account); wrong != "" {
		return refuse("1104", wrong)
	}
	n := number{x.account.AppCode, p["mchid"], p["out_trade_no"]}
	if used := g.ledger.holds(n); len(used) > 0 && g.config.Duplicate != DuplicateNone {
		return g.duplicate(used[len(used)-1], p, now)
	}
	o := g.newOrder(x.account.AppCode, p, now)
	if x.effect.aftermath == failedOrder {
		o.State, o.RespCd, o.QRCode = Failed, qfpay.RespCd(x.effect.respcd), ""
	}
	if x.effect.hidden {
		o.Visible = now.Add(max(g.config.Late, g.config.Visibility))
	}
	g.ledger.store(o)
	if x.effect.paidFirst {
		g.pay(o, now)
	}
	a := created(o)
	a.stored = true
	return a
}

func (g *Gateway) newOrder(appCode string, p qfpay.Params, now time.Time) *Order {
	amount, _ := strconv.ParseInt(p["txamt"], 10, 64) // checked by isAmount
	minutes := 30                                     // QFPay's default
	if n, err := strconv.Atoi(p["expired_time"]); err == nil {
		minutes = n
	}
	o := &Order{
		AppCode: appCode, MchID: p["mchid"], OrderType: typePayment,
		OutTradeNo: p["out_trade_no"], Syssn: g.newSyssn(now), PayType: qfpay.PayType(p["pay_type"]),
		TxAmt: amount, TxCurrCd: p["txcurrcd"], TxDtm: p["txdtm"], SysDtm: stamp(now),
		GoodsName: p["goods_name"], UDID: p["udid"], NotifyURL: p["notify_url"],
		State: Created, Stored: now, Visible: now.Add(g.config.Visibility),
		Expires: now.Add(time.Duration(minutes) * time.Minute),
	}
	o.QRCode = qrCode(o, g.config.Seed)
	return o
}

// newSyssn returns the next syssn: 26 digits that begin with the date in UTC+8.
func (g *Gateway) newSyssn(now time.Time) string {
	g.serial++
	return fmt.Sprintf("%s000200%012d", now.In(beijing).Format("20060102"), g.serial)
}

// created returns the answer to a create: the fields of the sample on the MPM page, in the
// same order and with the same types.
func created(o *Order) answer {
	device := o.UDID
	if device == "" {
		device = "qiantai2" // as in every sample
	}
	fields := object{
		{"surcharge_fee", 0},
		{"qrcode", o.QRCode},
		{"pay_type", string(o.PayType)},
		{"surcharge_rate", 0},
		{"resperr", respErr("0000")},
		{"txdtm", o.TxDtm},
		{"out_trade_no", o.OutTradeNo},
		{"syssn", o.Syssn},
		{"sysdtm", o.SysDtm},
		{"txcurrcd", o.TxCurrCd},
		{"respmsg", ""},
		{"chnlsn2", ""},
		{"cardcd", ""},
		{"udid", device},
		{"txamt", strconv.FormatInt(o.TxAmt, 10)},
		{"respcd", "0000"},
		{"chnlsn", ""},
	}
	switch o.PayType {
	case qfpay.WeChat:
		fields = append(fields, field{"paydtm", o.SysDtm}) // does not mean paid
	case qfpay.PayMe:
		fields = append(fields, field{"paydtm", o.SysDtm},
			field{"payme_logo", "https://qr.payme.hsbc.com.hk/logo.png"}, field{"pay_url", ""})
	}
	return answer{status: http.StatusOK, respcd: "0000", fields: fields}
}

// duplicate answers a create whose order number was used for o.
func (g *Gateway) duplicate(o *Order, p qfpay.Params, now time.Time) answer {
	o.expire(now)
	switch g.config.Duplicate {
	case Duplicate1251:
		return refuse("1251", "out_trade_no is used")
	case DuplicateState:
		return refuse(stateRespCd(o), "")
	case DuplicateReissue:
		switch {
		case o.OrderType != typePayment || !o.Live():
			return refuse(stateRespCd(o), "")
		case p["txamt"] != strconv.FormatInt(o.TxAmt, 10) || p["txcurrcd"] != o.TxCurrCd || p["pay_type"] != string(o.PayType):
			return refuse("1267", "")
		}
		return created(o)
	}
	return refuse(string(g.config.Duplicate), "")
}

// stateRespCd returns the code for the state of an order.
func stateRespCd(o *Order) string {
	switch o.State {
	case Created:
		return "1261"
	case Paid:
		return "1260"
	case Refunded:
		return "1262"
	case Expired:
		return "1181"
	case Closed:
		if o.endedBy == endpointReversal {
			return "1263"
		}
	}
	return "1264"
}
