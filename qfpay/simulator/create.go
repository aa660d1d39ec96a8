package simulator

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// headStart is how long before the answer to its create a notification is sent.
const headStart = time.Second

// create stores an order, or refuses it.
func (b *books) create(in arrival) answer {
	p, now := in.request.params, in.due
	takes := b.config.Takes
	if !takes.signType(in.request.signType, qfpay.PayType(p["pay_type"])) {
		return refuse("1108", "")
	}
	if wrong := cmp.Or(checkCreate(p, in.account), takes.check(p)); wrong != "" {
		return refuse("1104", wrong)
	}
	n := number{in.account.AppCode, p["mchid"], p["out_trade_no"]}
	if used := b.ledger.holds(n); len(used) > 0 && b.config.Duplicate != DuplicateNone {
		return b.duplicate(used[len(used)-1], p, now)
	}
	o := b.newOrder(in.account.AppCode, p, now)
	if in.effect.aftermath == failedOrder {
		o.State, o.RespCd, o.QRCode = Failed, qfpay.RespCd(in.effect.respcd), ""
	}
	if in.effect.hidden {
		o.Visible = now.Add(max(b.config.Late, b.config.Visibility))
	}
	b.ledger.store(o)
	if in.effect.paidFirst {
		b.pay(o, now)
	}
	b.forgeNotice(o, now)
	b.expect(o, now)
	a := created(o)
	a.stored = true
	return a
}

func (b *books) newOrder(appCode string, p qfpay.Params, now time.Time) *Order {
	amount, _ := strconv.ParseInt(p["txamt"], 10, 64) // checked by isAmount
	minutes := 30                                     // QFPay's default
	if n, err := strconv.Atoi(p["expired_time"]); err == nil {
		minutes = n
	}
	o := &Order{
		AppCode: appCode, MchID: p["mchid"], OrderType: typePayment,
		OutTradeNo: p["out_trade_no"], Syssn: b.newSyssn(now), PayType: qfpay.PayType(p["pay_type"]),
		TxAmt: amount, TxCurrCd: p["txcurrcd"], TxDtm: p["txdtm"], SysDtm: stamp(now),
		GoodsName: p["goods_name"], UDID: p["udid"], NotifyURL: p["notify_url"],
		State: Created, Stored: now, Visible: now.Add(b.config.Visibility),
		Expires: now.Add(time.Duration(minutes) * time.Minute),
	}
	o.QRCode = qrCode(o, b.config.Seed)
	return o
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
		{"resperr", respErrOf("0000")},
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
