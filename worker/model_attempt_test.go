package worker

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/attempt"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// stand is where an attempt stands.
type stand uint8

const (
	idle     stand = iota // between orders
	deciding              // it has a reply, or nothing, and asks the policy
	acting                // the policy has answered; nothing of it is done yet
	posting               // the intent is written; the create is about to leave, or on its way
	closing               // the close intent is written; so is the close
)

// hand is an attempt in the model: what it knows, and what it is about to do.
type hand struct {
	place         stand
	reply         policy.Reply
	do            policy.Action
	end           ending // of settle
	state         policy.State
	reissues      uint8
	createsSent   uint8
	sent          flight
	notFound      bool // the claim knows of a query that found nothing
	onlyCreate    bool
	closeSentHere bool
	verdict       policy.Verdict
	reopens       uint8
	cancelled     bool // it knows that somebody has asked to cancel the order
}

// handOf is what an attempt knows right after its claim.
func handOf(b book) hand {
	h := hand{state: b.state, reissues: b.reissues, createsSent: b.createsSent, sent: b.sent, notFound: b.notFound > 0,
		verdict: b.verdict, reopens: b.reopens, cancelled: b.cancelled}
	if b.was {
		h.verdict = policy.NoVerdict
	}
	return h
}

// The times of an order's life that matter.
const (
	inTime           uint8 = iota
	pastDeadline           // its deadline is over
	pastDoubtTimeout       // and the doubt timeout too
	clocks
)

// untilDeadline is how far off the deadline is then.
var untilDeadline = [clocks]time.Duration{inTime: time.Hour, pastDeadline: -timing.DoubtTimeout / 2, pastDoubtTimeout: -2 * timing.DoubtTimeout}

// factsAt are the facts of an attempt at a time, but for those that a call has
// shown. The real attempt computes them, from a claim and a deadline that fit.
func (s setting) factsAt(h hand, clock uint8) policy.Facts {
	now := time.Now()
	times := timing.For(10 * time.Second)
	times.CodeMinute = times.LandingTime / 5 // an order that has landed is five minutes old: its wallet closes it
	c := journal.Claim{State: h.state, Reissues: int(h.reissues), CreatesSent: int(h.createsSent), ClaimedAt: now,
		Verdict: h.verdict, Reopens: int(h.reopens), Cancelled: h.cancelled}
	switch h.sent {
	case flying:
		c.SentAt = now.Add(-times.LandingTime / 4) // the shortest code has not run out either
	case landed:
		c.SentAt = now.Add(-times.LandingTime)
		if clock == pastDoubtTimeout { // then its QR code has run out, too
			c.SentAt = now.Add(-times.OfCode(qfpay.DefaultLife + timing.RunOutLag))
		}
	}
	if h.notFound {
		c.NotFound = 1
	}
	handler := attempt.Handler{Times: times, Lost: s.lost, UniqueNumbers: s.trusted}
	o := tasks.Order{Order: qfpay.Order{PayType: s.payType}, Deadline: now.Add(untilDeadline[clock])}
	return handler.Facts(c, o)
}

// createsBound is one more than the policy sends under one number, and so never reached.
const createsBound = policy.MaxCreates + mostReopens + 1

// mostReopens is how often a person re-opens an order in the model.
const mostReopens = 1

// table has the facts of every attempt at every time, so that a search does not
// compute them again and again.
type table map[hand][clocks]policy.Facts

func (s setting) table() table {
	t := table{}
	for h := range everyHand {
		var f [clocks]policy.Facts
		for clock := range clocks {
			f[clock] = s.factsAt(h, clock)
		}
		t[h] = f
	}
	return t
}

// everyHand yields all that an attempt can know from its claim.
func everyHand(yield func(hand) bool) {
	for st := policy.StateNew; st < policy.States; st++ {
		for reissues := range uint8(numbers) {
			for createsSent := range uint8(createsBound + 1) {
				for _, sent := range []flight{unsent, flying, landed} {
					for _, notFound := range []bool{false, true} {
						for verdict := range policy.Verdicts {
							for reopens := range uint8(mostReopens + 1) {
								for _, cancelled := range []bool{false, true} {
									if !yield(hand{state: st, reissues: reissues, createsSent: createsSent, sent: sent, notFound: notFound,
										verdict: verdict, reopens: reopens, cancelled: cancelled}) {
										return
									}
								}
							}
						}
					}
				}
			}
		}
	}
}

// known is what of a hand is knowledge from its claim.
func (h hand) known() hand {
	return hand{state: h.state, reissues: h.reissues, createsSent: h.createsSent, sent: h.sent, notFound: h.notFound,
		verdict: h.verdict, reopens: h.reopens, cancelled: h.cancelled}
}

// decide asks the policy.
func (m *model) decide(h hand, clock uint8) hand {
	f := m.table[h.known()][clock]
	f.Reply, f.OnlyCreate, f.CloseSentHere = h.reply, h.onlyCreate, h.closeSentHere
	s := m.next(f)
	if s.Do == policy.Settle || s.Do == policy.Wait || s.Do == policy.WaitNotFound {
		return parting(s.Do, endings[s.Outcome], h)
	}
	h.place, h.do = acting, s.Do
	if s.Do != policy.Retract {
		h.reply = policy.Nothing // only after a retract is the same reply looked at again
	}
	return h
}

// parting is an attempt's last step; of what it knew nothing matters any more.
func parting(do policy.Action, end ending, h hand) hand {
	return hand{place: acting, do: do, end: end, reissues: h.reissues}
}

var (
	outcomes = map[ending]tasks.Outcome{endCreated: tasks.Created, endRejected: tasks.Rejected,
		endExpired: tasks.Expired, endUnresolved: tasks.Unresolved, endCancelled: tasks.Cancelled}
	endings = map[tasks.Outcome]ending{tasks.Created: endCreated, tasks.Rejected: endRejected,
		tasks.Expired: endExpired, tasks.Unresolved: endUnresolved, tasks.Cancelled: endCancelled}
)
