package worker

import (
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// anOrder is a valid order in bulk.
func anOrder(outTradeNo string) tasks.Order {
	return tasks.Order{Order: qfpay.Order{
		OutTradeNo: outTradeNo, PayType: qfpay.AlipayOverseas, TxAmt: 2500, TxCurrCd: "HKD", GoodsName: "珍珠奶茶",
	}}
}
