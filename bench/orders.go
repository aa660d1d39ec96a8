package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// newOrder returns a typical order of a shop, with its own order number. One order after the other
// is of another merchant.
func newOrder(series string, i int) tasks.Order {
	return tasks.Order{Merchant: merchantName(i % rig.Merchants), Order: qfpay.Order{
		OutTradeNo: fmt.Sprintf("%s-%08d", series, i),
		PayType:    qfpay.AlipayHK,
		TxAmt:      2500,
		TxCurrCd:   "HKD",
		GoodsName:  "珍珠奶茶",
	}}
}

// newOrders returns many orders, from the i-th on.
func newOrders(series string, i, n int) []tasks.Order {
	all := make([]tasks.Order, n)
	for k := range all {
		all[k] = newOrder(series, i+k)
	}
	return all
}

// payload returns the order for a task of the baseline: the same JSON as ours, with defaults.
func payload(o tasks.Order) []byte {
	b, err := json.Marshal(o.WithDefaults(time.Now()))
	if err != nil {
		panic(err) // a struct of strings and integers always marshals
	}
	return b
}

// merchantName is the i-th merchant's.
func merchantName(i int) string { return rig.MerchantName(i) }
