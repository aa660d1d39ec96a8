package simulator

import (
	"strconv"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// duplicate answers a create whose order number was used for o.
func (b *books) duplicate(o *Order, p qfpay.Params, now time.Time) answer {
	o.expire(now)
	switch b.config.Duplicate {
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
	respcd, text := b.config.Duplicate.split()
	respErr, respMsg := texts(respcd, text)
	return envelope(respcd, respErr, respMsg)
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
