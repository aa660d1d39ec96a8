package main

import (
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// goods are the goods in the sample, with their prices in cents.
var goods = []struct {
	name  string
	price int64
}{
	{"珍珠奶茶", 2500}, {"蛋撻", 900}, {"雲吞麵", 4800}, {"叉燒飯", 5200}, {"Coffee", 3200},
	{"菠蘿包", 1100}, {"凍檸茶", 2000}, {"港式奶茶", 2200}, {"魚蛋粉", 4200}, {"Sandwich", 3600},
}

// sampleOrders returns n orders of all seven pay types, a few of them interactive.
func sampleOrders(n int) []tasks.Order {
	types := qfpay.PayTypes()
	orders := make([]tasks.Order, n)
	for i := range orders {
		item := goods[i%len(goods)]
		o := tasks.Order{Lane: tasks.Bulk, Order: qfpay.Order{
			OutTradeNo: fmt.Sprintf("DEMO-%04d", i+1),
			PayType:    types[i%len(types)],
			TxAmt:      item.price,
			TxCurrCd:   "HKD",
			GoodsName:  item.name,
		}}
		if i%5 == 0 {
			o.Lane = tasks.Interactive
		}
		orders[i] = o
	}
	return orders
}
