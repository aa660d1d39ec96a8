package simulator

import (
	"slices"
	"time"
)

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
