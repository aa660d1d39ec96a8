package worker

import "github.com/qfpay-worker/qfpay-worker/tasks"

// state is what the journal says of an order's current number.
type state uint8

const (
	stateNew     state = iota // no create has left under this number
	stateSent                 // one may have
	stateVoiding              // and a close may have: its QR code must not be published any more
	states
)

// reply is what the latest call of an attempt has shown.
type reply uint8

const (
	nothing   reply = iota // no call yet
	created                // create: here is the QR code
	refused                // create: refused for good
	notTaken               // create: certainly not carried out; it may be sent again later
	heldBack               // create: not carried out, since the merchant's configuration is refused
	doubtful               // create: carried out or not, or known before: only an enquiry can tell
	unpaid                 // query: the order stands and can be paid
	paid                   // query: it is paid
	dead                   // query: it is closed or expired, and was never paid
	failed                 // query: it failed at the channel; nothing to pay, the number is used up
	declined               // query: it was refused for good; nothing to pay
	absent                 // query: no such order
	foreign                // query: the number belongs to an order that cannot be ours
	strange                // query: what stands there may be ours or not
	unclear                // query, close: no answer to rely on
	closeMade              // close: it was sent; what came of it only an enquiry can tell
	replies
)

// facts is all that the policy may look at.
type facts struct {
	reply   reply
	state   state
	sole    bool // the create just made is the only one ever made under this number
	flying  bool // a create may still be on its way: not found proves nothing yet
	missing bool // an earlier enquiry, after the quiet time, found nothing either
	closed  bool // a close has been sent in this attempt
	late    bool // the order's deadline is over
	overdue bool // and so is our patience with doubt
	close   bool // closing its unpaid order is allowed and documented for its pay type
	reissue bool // another number is allowed
	resend  bool // the same number may be sent once more
	unique  bool // QFPay is trusted to refuse a number it has
}

// action is what to do next about an order.
type action uint8

const (
	submit   action = iota // create it, or create it again under the same number
	retract                // write down that the create just made was not carried out
	enquire                // query the current number
	void                   // close the current number
	mint                   // take a new number
	wait                   // put the order down and come back
	waitGone               // the same, and remember that it was not found
	settle                 // give it its result
	actions
)

// step is an action with what it needs.
type step struct {
	do      action
	outcome tasks.Outcome // of settle
	reason  string        // of settle, for the result stream
	why     DeferReason   // of wait and waitGone
}

// What is published as the reason of a result, beside the gateway's own words.
const (
	reasonCreated     = ""
	reasonRefused     = "refused by QFPay"
	reasonLate        = "deadline passed before it could be created"
	reasonLateDead    = "deadline passed; the order at QFPay is closed"
	reasonDead        = "closed at QFPay, and no further number is allowed"
	reasonFailed      = "failed at the channel, and no further number is allowed"
	reasonForeign     = "out_trade_no is taken at QFPay by an order with another amount or currency"
	reasonStrange     = "out_trade_no stands at QFPay since before it was sent from here"
	reasonPaid        = "paid at QFPay, but its QR code is not known here"
	reasonQRLost      = "stands unpaid at QFPay, and its QR code is lost"
	reasonNotFound    = "sent, unanswered, and not found at QFPay"
	reasonUnclearLong = "sent, and QFPay could not be asked what became of it"
)

// next is the whole policy: what to do about an order, given what is known. It is
// total: every combination of facts has an answer, and none is an accident. The
// rules it keeps are these:
//
//   - a create leaves only when the number is new, or after enquiries have found
//     nothing twice, the second time when nothing can be on its way any more;
//   - a new number is taken only when the gateway has shown the old one dead;
//   - rejected and expired are published only when it is certain that QFPay holds
//     no live order;
//   - what may be live and cannot be cleared up is unresolved, never a failure.
func next(f facts) step {
	switch f.reply {
	case nothing:
		return begin(f)
	case created:
		return settled(tasks.Created, reasonCreated)
	case refused, notTaken, heldBack, doubtful:
		return afterCreate(f)
	case closeMade:
		return step{do: enquire}
	default:
		return afterQuery(f)
	}
}

// begin decides what an attempt, or a new number, begins with.
func begin(f facts) step {
	switch {
	case f.state != stateNew:
		return step{do: enquire} // never submit first: a create may have left
	case f.late:
		return settled(tasks.Expired, reasonLate)
	default:
		return step{do: submit}
	}
}

// afterCreate reads a create that brought no QR code. A refusal counts only when
// no other create can have been accepted; otherwise it refuses the repetition.
func afterCreate(f facts) step {
	switch {
	case f.reply == doubtful:
		return step{do: enquire}
	case f.reply == refused && f.sole:
		return settled(tasks.Rejected, reasonRefused)
	case f.reply == refused:
		return step{do: enquire}
	case f.state == stateSent && f.sole:
		return step{do: retract} // as if it had never left
	case f.state == stateNew && f.late:
		return settled(tasks.Expired, reasonLate)
	case f.reply == heldBack:
		return step{do: wait, why: DeferHeld}
	default:
		return step{do: wait, why: DeferGateway}
	}
}

// afterQuery reads what an enquiry has shown.
func afterQuery(f facts) step {
	switch f.reply {
	case unpaid:
		return afterUnpaid(f)
	case paid:
		return settled(tasks.Unresolved, reasonPaid)
	case dead:
		return afterDead(f)
	case failed:
		if f.reissue && !f.late {
			return step{do: mint}
		}
		return settled(tasks.Rejected, reasonFailed)
	case declined:
		return settled(tasks.Rejected, reasonRefused)
	case absent:
		return afterAbsent(f)
	case foreign:
		return afterForeign(f)
	case strange:
		return settled(tasks.Unresolved, reasonStrange)
	}
	if f.overdue {
		return settled(tasks.Unresolved, reasonUnclearLong)
	}
	return inDoubt()
}

// afterUnpaid: the order stands, and the only copy of its QR code is lost.
func afterUnpaid(f facts) step {
	switch {
	case !f.close && f.reissue && !f.late:
		return inDoubt() // it cannot be closed from here, but its QR code runs out
	case !f.close, f.overdue:
		return settled(tasks.Unresolved, reasonQRLost)
	case f.closed:
		return inDoubt() // the close has not shown its effect yet
	default:
		return step{do: void}
	}
}

// afterDead: QFPay itself says that the number can never be paid.
func afterDead(f facts) step {
	switch {
	case f.late:
		return settled(tasks.Expired, reasonLateDead)
	case f.reissue:
		return step{do: mint}
	default:
		return settled(tasks.Rejected, reasonDead)
	}
}

// afterAbsent: "no such order" is believed only when nothing can be on its way any
// more, and the second time. Even then it allows the same number again, never
// another one and never a failure: a late request may still land.
func afterAbsent(f facts) step {
	switch {
	case f.flying:
		return inDoubt()
	case !f.missing:
		return step{do: waitGone, why: DeferDoubt}
	case f.resend && !f.late && f.state == stateSent:
		return step{do: submit}
	default:
		return settled(tasks.Unresolved, reasonNotFound)
	}
}

// afterForeign: somebody else's order has the number. Where numbers are unique, ours
// has been refused, or will be when it lands.
func afterForeign(f facts) step {
	switch {
	case f.flying:
		return inDoubt()
	case f.unique:
		return settled(tasks.Rejected, reasonForeign)
	default:
		return settled(tasks.Unresolved, reasonForeign)
	}
}

func settled(o tasks.Outcome, reason string) step {
	return step{do: settle, outcome: o, reason: reason}
}

func inDoubt() step { return step{do: wait, why: DeferDoubt} }
