package worker

import (
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// state is what the journal says of an order's current number.
type state uint8

const (
	stateNew     state = iota // no create has left under this number
	stateSent                 // a create may have left
	stateClosing              // a close may have left: the QR code must not be published any more
	states
)

// reply is what the latest call of an attempt has shown.
type reply uint8

const (
	nothing         reply = iota // no call yet
	created                      // create: here is the QR code
	refused                      // create: refused for good
	notExecuted                  // create: certainly not carried out; it may be sent again later
	merchantRefused              // create: not carried out, since the merchant's configuration is refused
	unknown                      // create: carried out or not, or known before: only a query can tell
	unpaid                       // query: the order stands and can be paid
	paid                         // query: it is paid
	closed                       // query: it is closed or expired, and was never paid
	failed                       // query: it failed at the channel; nothing to pay, the number is used up
	declined                     // query: it was refused for good; nothing to pay
	notFound                     // query: no such order
	otherOrder                   // query: the number belongs to an order that cannot be ours
	maybeOurs                    // query: the order under the number may be ours or not
	unclear                      // query, close: no answer to rely on
	closeSent                    // close: it was sent; only a query can tell whether it had an effect
	replies
)

// facts is all that the policy may look at.
type facts struct {
	reply            reply
	state            state
	onlyCreate       bool // the create just made is the only one ever made under this number
	createMayLand    bool // a create may still arrive at QFPay: "not found" proves nothing yet
	notFoundBefore   bool // an earlier query, when every create had landed, did not find the order either
	closeSentHere    bool // this attempt has sent a close
	pastDeadline     bool // the order's deadline is over
	pastDoubtTimeout bool // the doubt timeout is over too
	close            bool // closing its unpaid order is allowed and documented for its pay type
	reissue          bool // another number is allowed
	resend           bool // the same number may be sent once more
	unique           bool // QFPay is trusted to refuse a number it has
}

// action is what to do next about an order.
type action uint8

const (
	create       action = iota // create it, or create it again under the same number
	retract                    // write down that the create just made was not carried out
	query                      // query the current number
	closeOrder                 // close the current number
	reissue                    // take a new number
	wait                       // defer the order
	waitNotFound               // defer it, and remember that it was not found
	settle                     // give it its result
	actions
)

// step is an action with what it needs.
type step struct {
	do      action
	outcome tasks.Outcome     // of settle
	reason  string            // of settle, for the result stream
	why     event.DeferReason // of wait and waitNotFound
}

// The reasons of results, beside the gateway's own words.
const (
	reasonCreated     = ""
	reasonRefused     = "refused by QFPay"
	reasonLate        = "deadline passed before it could be created"
	reasonLateClosed  = "deadline passed; the order at QFPay is closed"
	reasonClosed      = "closed at QFPay, and no further number is allowed"
	reasonFailed      = "failed at the channel, and no further number is allowed"
	reasonOtherOrder  = "out_trade_no is taken at QFPay by an order with another amount or currency"
	reasonMaybeOurs   = "out_trade_no stands at QFPay since before it was sent from here"
	reasonPaid        = "paid at QFPay, but its QR code is not known here"
	reasonQRLost      = "stands unpaid at QFPay, and its QR code is lost"
	reasonNotFound    = "sent, unanswered, and not found at QFPay"
	reasonUnclearLong = "sent, and QFPay could not be asked what became of it"
)

// next is the whole policy: it decides what to do about an order, given the facts. It is
// total: every combination of facts has an answer on purpose. It keeps these rules:
//
//   - a create leaves only when the number is new, or after two queries did not find the
//     order, the second of them when every create must have landed;
//   - a reissue needs the gateway's word that the order under the old number is closed;
//   - rejected and expired are published only when it is certain that QFPay holds
//     no live order;
//   - an order that may be live and cannot be cleared up is unresolved, never a failure.
func next(f facts) step {
	switch f.reply {
	case nothing:
		return begin(f)
	case created:
		return settled(tasks.Created, reasonCreated)
	case refused, notExecuted, merchantRefused, unknown:
		return afterCreate(f)
	case closeSent:
		return step{do: query}
	default:
		return afterQuery(f)
	}
}

// begin decides the first step of an attempt, and the first one after a reissue.
func begin(f facts) step {
	switch {
	case f.state != stateNew:
		return step{do: query} // never create first: a create may have left
	case f.pastDeadline:
		return settled(tasks.Expired, reasonLate)
	default:
		return step{do: create}
	}
}

// afterCreate handles a create that brought no QR code. A refusal counts only when no other
// create can have been accepted; otherwise it may refuse the repetition alone.
func afterCreate(f facts) step {
	switch {
	case f.reply == unknown:
		return step{do: query}
	case f.reply == refused && f.onlyCreate:
		return settled(tasks.Rejected, reasonRefused)
	case f.reply == refused:
		return step{do: query}
	case f.state == stateSent && f.onlyCreate:
		return step{do: retract} // as if it had never left
	case f.state == stateNew && f.pastDeadline:
		return settled(tasks.Expired, reasonLate)
	case f.reply == merchantRefused:
		return step{do: wait, why: event.DeferHeld}
	default:
		return step{do: wait, why: event.DeferGateway}
	}
}

// afterQuery handles the answer to a query.
func afterQuery(f facts) step {
	switch f.reply {
	case unpaid:
		return afterUnpaid(f)
	case paid:
		return settled(tasks.Unresolved, reasonPaid)
	case closed:
		return afterClosed(f)
	case failed:
		if f.reissue && !f.pastDeadline {
			return step{do: reissue}
		}
		return settled(tasks.Rejected, reasonFailed)
	case declined:
		return settled(tasks.Rejected, reasonRefused)
	case notFound:
		return afterNotFound(f)
	case otherOrder:
		return afterOtherOrder(f)
	case maybeOurs:
		return settled(tasks.Unresolved, reasonMaybeOurs)
	}
	if f.pastDoubtTimeout {
		return settled(tasks.Unresolved, reasonUnclearLong)
	}
	return inDoubt()
}

// afterUnpaid handles an order that stands unpaid at QFPay, and whose QR code is lost.
func afterUnpaid(f facts) step {
	switch {
	case !f.close && f.reissue && !f.pastDeadline:
		return inDoubt() // it cannot be closed from here, but its QR code runs out
	case !f.close, f.pastDoubtTimeout:
		return settled(tasks.Unresolved, reasonQRLost)
	case f.closeSentHere:
		return inDoubt() // the close has not shown its effect yet
	default:
		return step{do: closeOrder}
	}
}

// afterClosed handles an order of which QFPay itself says that it can never be paid.
func afterClosed(f facts) step {
	switch {
	case f.pastDeadline:
		return settled(tasks.Expired, reasonLateClosed)
	case f.reissue:
		return step{do: reissue}
	default:
		return settled(tasks.Rejected, reasonClosed)
	}
}

// afterNotFound handles "no such order". It is believed only when every create must have landed,
// and only the second time. Even then it allows the same number again, but neither a reissue nor
// a failure: a late request may still land.
func afterNotFound(f facts) step {
	switch {
	case f.createMayLand:
		return inDoubt()
	case !f.notFoundBefore:
		return step{do: waitNotFound, why: event.DeferDoubt}
	case f.resend && !f.pastDeadline && f.state == stateSent:
		return step{do: create}
	default:
		return settled(tasks.Unresolved, reasonNotFound)
	}
}

// afterOtherOrder handles a number that belongs to an order that is not ours. Where numbers are
// unique, QFPay has refused our order, or will refuse it when it lands.
func afterOtherOrder(f facts) step {
	switch {
	case f.createMayLand:
		return inDoubt()
	case f.unique:
		return settled(tasks.Rejected, reasonOtherOrder)
	default:
		return settled(tasks.Unresolved, reasonOtherOrder)
	}
}

func settled(o tasks.Outcome, reason string) step {
	return step{do: settle, outcome: o, reason: reason}
}

func inDoubt() step { return step{do: wait, why: event.DeferDoubt} }
