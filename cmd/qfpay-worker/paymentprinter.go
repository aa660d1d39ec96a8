package main

import (
	"bufio"
	"encoding/json"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// newPaymentPrinter returns a printer of payments.
func newPaymentPrinter(std stdio, c *PaymentsCmd) *printer {
	p := &printer{std: std, out: bufio.NewWriter(std.out), last: c.From, follows: c.Follow, one: "payment"}
	if c.Format == "json" {
		p.json = json.NewEncoder(printable.Writer(p.out))
		p.json.SetEscapeHTML(false)
		return p
	}
	p.table = console.NewTable("out_trade_no", "event", "txamt", "paid_at", "seen_by")
	p.table.Fix(len("POS-20260302-0001"), len(tasks.PaidTwice))
	return p
}

// printPayment writes one entry, perhaps only into the buffer.
func (p *printer) printPayment(e tasks.PaymentEntry) error {
	return p.entry(e.StreamID, e.Err, func() error {
		one := e.Payment
		if p.json != nil {
			return p.json.Encode(one)
		}
		p.rows = true
		number := one.OutTradeNo
		if one.Merchant != tasks.DefaultMerchant {
			number = one.OrderID()
		}
		p.table.Add(printable.String(number), one.Event, printable.String(one.TxAmt+" "+one.TxCurrCd), printable.String(one.PaidAt), printable.String(one.SeenBy))
		return nil
	})
}
