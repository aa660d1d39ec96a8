package probe

import (
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// closed is what is known of one way to close orders of a wallet.
type closed struct {
	works    []closedAt // it has closed these
	refusals []closedAt // of orders that stood
	idle     []closedAt // answered as done, and the order still stands
}

// closedAt is one close.
type closedAt struct {
	call Observation
	age  time.Duration // of the order
	dead Observation   // the query that shows it dead
	of   *order
}

// closed reads what is known of a way.
func (w *wallet) closed(e Event) (facts closed) {
	for _, o := range w.orders {
		if lastClosing(o.log) < 0 {
			continue
		}
		by := o.closedBy()
		for _, c := range o.log {
			if c.Event != e {
				continue
			}
			at := closedAt{call: c, age: c.At.Sub(o.sent), of: o}
			switch standing := c.RespCd.Standing(); {
			case by != nil && by.call.At.Equal(c.At):
				facts.works = append(facts.works, *by)
			case c.Verdict == Done && c.RespCd == done && (by == nil || by.call.At.After(c.At)):
				facts.idle = append(facts.idle, at)
			case c.Verdict == Refused && standing != qfpay.Dead && standing != qfpay.Paid && len(o.syssns()) == 1:
				facts.refusals = append(facts.refusals, at)
			}
		}
	}
	return facts
}

// closedBy returns the close that has closed the order, or nil if none has, or it is not certain
// which. It is the last one that was answered as done; if none was, the first of those without an
// answer, if all are of one kind.
func (o *order) closedBy() *closedAt {
	closer, lost, mixed := -1, -1, false
	for i := range o.log {
		c := &o.log[i]
		switch {
		case c.Event.closing() && c.Verdict == Done:
			closer = i
		case c.Event.closing() && c.Verdict == Unanswered && lost < 0:
			lost = i
		case c.Event.closing() && c.Verdict == Unanswered:
			mixed = mixed || c.Event != o.log[lost].Event
		case c.Event == Query && c.Verdict == Done:
			by := closer
			if by < 0 && !mixed {
				by = lost
			}
			if by >= 0 && o.died(o.log[by], *c) != nil {
				call := o.log[by]
				return &closedAt{call: call, age: call.At.Sub(o.sent), dead: *c, of: o}
			}
		}
	}
	return nil
}

// died returns the row of an order that stood unpaid before a close and is dead in a later query,
// or nil. An order that has run out was not closed.
func (o *order) died(c, later Observation) *Row {
	if later.end().After(o.expires().Add(-time.Minute)) {
		return nil
	}
	var before []Row
	for i := range o.queries {
		if o.queries[i].At.Before(c.At) {
			before = o.queries[i].Rows
		}
	}
	for _, r := range later.Rows {
		stood := slices.ContainsFunc(before, func(b Row) bool { return b.Syssn == r.Syssn && b.Standing == qfpay.Unpaid.String() })
		if stood && r.Standing == qfpay.Dead.String() && r.RespCd != expired {
			return &r
		}
	}
	return nil
}

// The respcds of an order that has run out, and of a close that claims to have closed one. 1143 and
// 1145 only say that it has begun.
const (
	expired qfpay.RespCd = "1181"
	done    qfpay.RespCd = "0000"
)

// refusedAt reports whether the way was refused twice alike for orders of an age.
func (f closed) refusedAt(young bool) bool {
	_, refused := f.refusal(young)
	return refused
}

// refusal returns the refusal that came twice, of young orders or of older ones.
func (f closed) refusal(young bool) (closedAt, bool) {
	var all []Observation
	for _, r := range f.refusals {
		if (r.age < youngAge) == young {
			all = append(all, r.call)
		}
	}
	refusal, twice := alike(all, func(Observation) bool { return true })
	if !twice {
		return closedAt{}, false
	}
	i := slices.IndexFunc(f.refusals, func(r closedAt) bool { return r.call.At.Equal(refusal.At) })
	return f.refusals[i], true
}

// youngOnly reports whether the way was refused for young orders, and it is not known for older
// ones.
func (f closed) youngOnly() bool {
	return len(f.works) == 0 && f.refusedAt(true) && !f.refusedAt(false)
}

// known reports whether something is known of the way.
func (f closed) known() bool {
	return len(f.works) > 0 || len(f.idle) > 1 || f.refusedAt(true) || f.refusedAt(false)
}
