package payments

import (
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Code is a published QR code.
type Code struct {
	Order       qfpay.Order // its OutTradeNo is the producer's
	Merchant    string
	IssuedAs    string // the order number under which QFPay has it
	Syssn       string // of the create's answer; it may be empty
	Batch       string
	PublishedAt time.Time
	SysDtm      time.Time // QFPay's time of the order; PublishedAt when that is not known
	Expires     time.Time // zero: QFPay does not say how long it lives
	CancelAsked bool      // somebody has asked to cancel the order
}

// ID returns the ID of the order.
func (c Code) ID() string { return tasks.Order{Merchant: c.Merchant, Order: c.Order}.ID() }

// life returns the end of the code's life. Where QFPay says nothing, it is longer than any that QFPay
// lets a producer choose.
func (c Code) life() time.Time {
	if c.Expires.IsZero() {
		return c.PublishedAt.Add(timing.LongestCode)
	}
	return c.Expires
}

// Overdue reports whether the code's life is over for so long that a person should know that it has no event.
func (c Code) Overdue(now time.Time) bool { return now.After(c.life().Add(timing.Overdue)) }

// Over reports whether the code's life is over, and so long that a payment in its last moment shows.
func (c Code) Over(now time.Time) bool { return now.After(c.life().Add(timing.PaymentLag)) }

// Sight is what QFPay's rows show of a code.
type Sight struct {
	Event    tasks.PaymentEvent // paid, expired, closed; "": nothing is proved
	Refunded bool               // of a paid one
	Twice    bool               // of a paid one: two payments were successful
	NotFound bool               // no row is about the code
	Mismatch bool               // a payment under its number has another amount or currency
	Unpaid   qfpay.RespCd       // of a row that shows the very code unpaid; "": none does
	Row      qfpay.Record       // that shows the event
	Second   qfpay.Record       // with Twice: the other payment
}

// shown is an event, and the row that shows it.
type shown struct {
	event tasks.PaymentEvent
	row   qfpay.Record
}

// events are what a sight proves, in the sequence in which it is published.
func (s Sight) events() (all []shown) {
	if s.Event == "" {
		return nil
	}
	all = append(all, shown{s.Event, s.Row})
	if s.Twice {
		all = append(all, shown{tasks.PaidTwice, s.Second})
	}
	if s.Refunded {
		all = append(all, shown{tasks.Refunded, s.Row})
	}
	return all
}

// Read reads the rows under a code's number. QFPay may have several, even several successes. A payment
// counts before everything else, because it is money; a row that can still be paid, or is not clear,
// before one that is dead.
func Read(c Code, rows []qfpay.Record, now time.Time) Sight {
	s := Sight{NotFound: true}
	var dead, failed *qfpay.Record
	alive := false
	for i, r := range rows {
		if !isPayment(r) {
			continue
		}
		s.NotFound = false
		switch standing := r.Standing(); {
		case standing == qfpay.Paid && !r.Matches(c.Order):
			s.Mismatch = true
		case standing == qfpay.Paid:
			s.paid(c, r)
		case standing == qfpay.Dead && c.has(r):
			dead = &rows[i]
		case standing == qfpay.Failed && c.has(r):
			failed = &rows[i]
		default:
			alive = true
			if standing == qfpay.Unpaid && c.has(r) {
				s.Unpaid = r.RespCd
			}
		}
	}
	switch {
	case s.Event == tasks.Paid, s.Mismatch, alive:
	case dead != nil:
		s.Event, s.Row = c.ending(*dead, now), *dead
	case failed != nil && c.Over(now):
		s.Event, s.Row = c.ending(*failed, now), *failed
	}
	return s
}

// paid notes a successful payment. The one that the create was answered with is the first.
func (s *Sight) paid(c Code, r qfpay.Record) {
	s.Refunded = s.Refunded || r.Cancel == "3" || r.Cancel == "5" || r.RespCd == "1262"
	switch {
	case s.Event == "":
		s.Event, s.Row = tasks.Paid, r
	case r.Syssn == s.Row.Syssn: // a row that a second page repeats
	default:
		if s.Second, s.Twice = r, true; c.Syssn != "" && r.Syssn == c.Syssn {
			s.Row, s.Second = r, s.Row
		}
	}
}

// isPayment reports whether a row is a payment: refunds and closes have rows of their own.
func isPayment(r qfpay.Record) bool {
	return r.OrderType == "" || strings.EqualFold(r.OrderType, "payment")
}

// has reports whether a row is about the very order that was published, and not about another one
// under its number.
func (c Code) has(r qfpay.Record) bool { return c.Syssn == "" || r.Syssn == "" || r.Syssn == c.Syssn }

// ending tells closed from expired. 1181 says expired, and 1263, 1264 and cancel 2 say closed. 1142 has
// meant both: while the code lived, somebody closed it.
func (c Code) ending(r qfpay.Record, now time.Time) tasks.PaymentEvent {
	switch {
	case c.CancelAsked, r.Cancel == "2", r.RespCd == "1263", r.RespCd == "1264":
		return tasks.Closed
	case r.RespCd == "1142" && now.Before(c.life()):
		return tasks.Closed
	}
	return tasks.Lapsed
}

// Notice is what a signed notification proves of a code.
type Notice struct {
	Event    tasks.PaymentEvent // paid or refunded; "": it is not about this code
	Doubtful bool               // it speaks of another payment than the one that is known: ask QFPay
}

// ReadNotification reads a notification about the number of a code. paidAs is the syssn of the payment
// that is known, or "".
func ReadNotification(c Code, n qfpay.Notification, paidAs string) Notice {
	switch {
	case n.Order() == "" || !strings.EqualFold(n.Order(), c.IssuedAs) || !n.Matches(c.Order):
		return Notice{}
	case n.Type == qfpay.NotifyRefund:
		return Notice{Event: tasks.Refunded}
	}
	return Notice{Event: tasks.Paid, Doubtful: paidAs != "" && n.Syssn != paidAs}
}

// NextLook returns when to ask about an open code again that was looked at, or never was. Looks are
// at whole multiples of their interval, so that the codes of a merchant are asked about together:
// one call shows a hundred. They thin out with the code's age, and the end of its life is one. After
// that each pause is half as long as all the time before it, up to a day: what QFPay shows unpaid then
// may stay so, and proves nothing.
func NextLook(c Code, looked time.Time) time.Time {
	end := c.life().Add(timing.PaymentLag)
	if looked.IsZero() {
		return earlier(c.PublishedAt.Add(timing.FirstLook), grid(end, timing.EndedLook))
	}
	if !looked.Before(end) {
		past := looked.Sub(end)
		return looked.Add(min(max(past/2, timing.EndedLook), timing.LateLook))
	}
	every := timing.OldLook
	switch age := looked.Sub(c.PublishedAt); {
	case age < timing.FreshFor:
		every = timing.FreshLook
	case age < timing.YoungFor:
		every = timing.YoungLook
	}
	return earlier(grid(looked.Add(1), every), grid(end, timing.EndedLook))
}

// grid returns the first multiple of an interval that is not before t.
func grid(t time.Time, every time.Duration) time.Time {
	return t.Add(every - 1).Truncate(every)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
