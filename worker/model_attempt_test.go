package worker

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// stand is where an attempt stands.
type stand uint8

const (
	idle     stand = iota // between orders
	deciding              // it has a reply, or nothing, and asks the policy
	acting                // the policy has answered; nothing of it is done yet
	posting               // the intent is written; the create is about to leave, or on its way
	closing               // the void is written; so is the close
)

// hand is an attempt in the model: what it knows, and what it is about to do.
type hand struct {
	place  stand
	reply  reply
	do     action
	end    ending // of settle
	state  state
	number uint8
	sends  uint8
	sent   flight
	absent bool // the claim knows of an enquiry that found nothing
	sole   bool
	closed bool
}

// handOf is what an attempt knows right after its claim.
func handOf(b book) hand {
	return hand{state: b.state, number: b.number, sends: b.sends, sent: b.sent, absent: b.absents > 0}
}

// The times of an order's life that matter.
const (
	inTime  uint8 = iota
	late          // its deadline is over
	overdue       // and patience too
	clocks
)

// untilDeadline is how far off the deadline is then.
var untilDeadline = [clocks]time.Duration{inTime: time.Hour, late: -patience / 2, overdue: -2 * patience}

// factsAt are the facts of an attempt at a time, but for those that a call has
// shown. The real attempt computes them, from a claim and a deadline that fit.
func (s setting) factsAt(h hand, clock uint8) facts {
	now := time.Now()
	times := timesFor(10 * time.Second)
	c := claim{state: h.state, number: int(h.number), sends: int(h.sends), claimedAt: now}
	switch h.sent {
	case flying:
		c.sentAt = now.Add(-times.quiet / 2)
	case landed:
		c.sentAt = now.Add(-2 * times.quiet)
	}
	if h.absent {
		c.absents = 1
	}
	a := attempt{
		handler: &handler{times: times, lost: s.lost, unique: s.trusted},
		claim:   c, began: now,
		order: tasks.Order{Order: qfpay.Order{PayType: s.payType}, Deadline: now.Add(untilDeadline[clock])},
	}
	return a.look()
}

// maxSends is one more than the policy sends under one number, and so never reached.
const maxSends = mostSends + 1

// table has the facts of every attempt at every time, so that a search does not
// compute them again and again.
type table map[hand][clocks]facts

func (s setting) table() table {
	t := table{}
	for h := range everyHand {
		var f [clocks]facts
		for clock := range clocks {
			f[clock] = s.factsAt(h, clock)
		}
		t[h] = f
	}
	return t
}

// everyHand yields all that an attempt can know from its claim.
func everyHand(yield func(hand) bool) {
	for st := stateNew; st < states; st++ {
		for number := range uint8(numbers) {
			for sends := range uint8(maxSends + 1) {
				for _, sent := range []flight{unsent, flying, landed} {
					for _, absent := range []bool{false, true} {
						if !yield(hand{state: st, number: number, sends: sends, sent: sent, absent: absent}) {
							return
						}
					}
				}
			}
		}
	}
}

// known is what of a hand is knowledge from its claim.
func (h hand) known() hand {
	return hand{state: h.state, number: h.number, sends: h.sends, sent: h.sent, absent: h.absent}
}

// decide asks the policy.
func (m *model) decide(h hand, clock uint8) hand {
	f := m.table[h.known()][clock]
	f.reply, f.sole, f.closed = h.reply, h.sole, h.closed
	s := m.next(f)
	if s.do == settle || s.do == wait || s.do == waitGone {
		return parting(s.do, endings[s.outcome], h)
	}
	h.place, h.do = acting, s.do
	if s.do != retract {
		h.reply = nothing // only after a retract is the same reply looked at again
	}
	return h
}

// parting is an attempt's last step; of what it knew nothing matters any more.
func parting(do action, end ending, h hand) hand {
	return hand{place: acting, do: do, end: end, number: h.number}
}

var (
	outcomes = map[ending]tasks.Outcome{endCreated: tasks.Created, endRejected: tasks.Rejected,
		endExpired: tasks.Expired, endUnresolved: tasks.Unresolved}
	endings = map[tasks.Outcome]ending{tasks.Created: endCreated, tasks.Rejected: endRejected,
		tasks.Expired: endExpired, tasks.Unresolved: endUnresolved}
)
