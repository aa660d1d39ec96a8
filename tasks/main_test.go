package tasks

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, redistest.Dialing) }

// keys are used by every test; each test has its own server.
var keys = Keys{Prefix: DefaultPrefix}

// validOrder returns a valid order with its defaults set.
func validOrder() Order {
	return Order{
		Merchant: "default",
		Order: qfpay.Order{
			OutTradeNo: "A1001", PayType: qfpay.AlipayHK, TxAmt: 1250, TxCurrCd: "HKD",
			TxDtm: "2026-03-01 12:00:00", GoodsName: "奶茶2杯", ExpiredTime: 30,
			PayTag: "ALIPAYHK", UDID: "till-3", NotifyURL: "https://shop.example/notify?a=1&b=2",
		},
		Deadline: time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC),
		Lane:     Bulk,
	}
}

// numbered returns a valid order with another out_trade_no.
func numbered(outTradeNo string) Order {
	o := validOrder()
	o.OutTradeNo = outTradeNo
	return o
}
