package simulator

import (
	"errors"
	"slices"
	"time"
)

// Customers are people who pay what was created, and ask for their money back. The zero value is
// nobody: then only [Gateway.Pay] and its kin pay.
type Customers struct {
	Pay    float64 // the share of orders that are paid while their code can be
	After  Latency // until they are paid, or a paid one is paid again or refunded
	Again  float64 // the share of paid orders that are paid a second time
	Late   float64 // the share of orders, of those that are not paid, that are paid After their code has run out
	Refund float64 // the share of paid orders that are refunded
}

func (c Customers) validate() error {
	for _, share := range []float64{c.Pay, c.Again, c.Late, c.Refund} {
		if !(share >= 0 && share <= 1) { // so that NaN is refused too
			return errors.New("Customers: shares must be from 0 to 1")
		}
	}
	if c.After.Min < 0 || c.After.Max < c.After.Min {
		return errors.New("Customers: After must be from a shorter to a longer time")
	}
	return nil
}

// visit is something that a customer will do.
type visit struct {
	due time.Time
	do  func(now time.Time)
}

// expect draws what the customer of a new order will do. The draws are always as many, so that they
// depend only on the order of the creates.
func (b *books) expect(o *Order, now time.Time) {
	c, random := b.config.Customers, b.customers
	pays, again, late, refunds := random.Float64() < c.Pay, random.Float64() < c.Again, random.Float64() < c.Late, random.Float64() < c.Refund
	wait := func() time.Duration {
		return c.After.Min + time.Duration(random.Float64()*float64(c.After.Max-c.After.Min))
	}
	first, second := wait(), wait()
	then := func(now time.Time) {
		if again {
			b.at(now.Add(second), func(now time.Time) { b.payAgain(o, now) })
		}
		if refunds {
			b.at(now.Add(second), func(now time.Time) { b.giveBack(o, o.TxAmt-o.Refunded, "", now) })
		}
	}
	switch {
	case pays:
		b.at(now.Add(first), func(now time.Time) {
			if o.expire(now); o.State == Created {
				b.pay(o, now)
				then(now)
			}
		})
	case late:
		b.at(o.Expires.Add(first), func(now time.Time) {
			if o.expire(now); o.State == Expired {
				b.pay(o, now)
				then(now)
			}
		})
	}
}

// at has something done at a time of the gateway's clock.
func (b *books) at(due time.Time, do func(now time.Time)) {
	i, _ := slices.BinarySearchFunc(b.visits, due, func(v visit, due time.Time) int {
		if v.due.After(due) {
			return 1
		}
		return -1 // after those of the same time
	})
	b.visits = slices.Insert(b.visits, i, visit{due, do})
	b.mail.wake()
}

// receive has the customers do what is due by now.
func (b *books) receive(now time.Time) {
	for len(b.visits) > 0 && !b.visits[0].due.After(now) {
		v := b.visits[0]
		b.visits = b.visits[1:]
		v.do(v.due)
	}
}

// payAgain is a second success under one order number, with a syssn of its own, as seen in production.
func (b *books) payAgain(o *Order, now time.Time) {
	second := *o
	second.Syssn, second.SysDtm, second.QRCode, second.Refunded = b.newSyssn(now), stamp(now), "", 0
	second.Stored, second.Visible = now, now.Add(b.config.Visibility)
	b.ledger.store(&second)
	b.pay(&second, now)
}
