package simulator

import (
	"fmt"
	"slices"
	"time"
)

// Pay marks an order as paid by its customer. The order is given by its out_trade_no or its
// syssn. The error says why it cannot be paid. [Gateway.RunNotifier] sends the notification.
func (g *Gateway) Pay(outTradeNo string) error {
	return g.paidAs(outTradeNo, Created, g.books.pay)
}

// paidAs pays an order that is in the wanted state.
func (g *Gateway) paidAs(name string, want State, pay func(*Order, time.Time)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.landDue()
	now := g.now()
	o, err := g.named(name, now, want)
	if err != nil {
		return err
	}
	pay(o, now)
	return nil
}

// PayAgain has a paid order paid a second time: another success with the same out_trade_no.
func (g *Gateway) PayAgain(outTradeNo string) error {
	return g.paidAs(outTradeNo, Paid, g.books.payAgain)
}

// PayLate has an order paid whose code has run out, by a customer who had opened it before.
func (g *Gateway) PayLate(outTradeNo string) error { return g.paidAs(outTradeNo, Expired, g.books.pay) }

// Scan marks an unpaid order as scanned by a customer, who has not paid yet.
func (g *Gateway) Scan(outTradeNo string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.landDue()
	o, err := g.named(outTradeNo, g.now(), Created)
	if err != nil {
		return err
	}
	o.Scanned = true
	return nil
}

// Refund refunds a paid order completely, like a merchant in QFPay's portal. The order is
// given by its out_trade_no or its syssn.
func (g *Gateway) Refund(outTradeNo string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.landDue()
	now := g.now()
	o, err := g.named(outTradeNo, now, Paid)
	if err != nil {
		return err
	}
	g.books.giveBack(o, o.TxAmt-o.Refunded, "", now)
	return nil
}

// named finds the newest payment with an out_trade_no or syssn that is in the wanted state.
func (g *Gateway) named(name string, now time.Time, want State) (*Order, error) {
	var last *Order
	for _, o := range slices.Backward(g.books.ledger.all) {
		if o.OrderType != typePayment || o.OutTradeNo != name && o.Syssn != name {
			continue
		}
		o.expire(now)
		if o.State == want {
			return o, nil
		}
		if last == nil {
			last = o
		}
	}
	if last == nil {
		return nil, fmt.Errorf("order %s: no order has this out_trade_no or syssn", name)
	}
	return nil, fmt.Errorf("order %s: is %s, but must be %s", name, last.State, want)
}
