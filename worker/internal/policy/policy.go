// Package policy decides what to do next about one order. [Next] is a pure function from what is
// known, the [Facts], to a [Step]: create, query, close, reissue, wait, or settle. Beside it are
// the readings of the gateway's answers ([ReadCreate], [ReadQuery], [ReadClose]).
//
// There is no I/O here, no clock and no Redis: the facts are few enough that a test walks every
// combination of them, and a model test of package worker runs the policy against crashes.
//
// Start reading at [Next].
package policy

import (
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// State is what the journal says of an order's current number.
type State uint8

const (
	StateNew     State = iota // no create has left under this number
	StateSent                 // a create may have left
	StateClosing              // a close may have left: the QR code must not be published any more
	States
)

// Reply is what the latest call of an attempt has shown.
type Reply uint8

const (
	Nothing          Reply = iota // no call yet
	Created                       // create: here is the QR code
	Refused                       // create: refused for good, says QFPay
	NotNow                        // create: it failed, says QFPay, and another try may succeed
	NotExecuted                   // create: nothing left this machine, or QFPay itself defines the answer as "not processed"
	SignatureRefused              // create: QFPay does not take the signature, and so does not look at the order
	ConfigRefused                 // create: QFPay refuses the configuration, and does not say that it did not process the order
	Unknown                       // create: any other answer, or none: only a query can tell
	Unpaid                        // query: the order stands and can be paid
	Paid                          // query: it is paid
	Closed                        // query: it is closed or expired, and was never paid
	Failed                        // query: it failed at the channel; nothing to pay, the number is used up
	Declined                      // query: it was refused for good; nothing to pay
	NotFound                      // query: no such order
	OtherOrder                    // query: the number belongs to an order that cannot be ours
	MaybeOurs                     // query: the order under the number may be ours or not
	Unclear                       // query, close: no answer to rely on
	CloseSent                     // close: it was sent; only a query can tell whether it had an effect
	replies
)

// Verdict is what QFPay has answered to all creates under a number: the mildest word of its
// answers, in this sequence.
type Verdict uint8

const (
	NoVerdict Verdict = iota // a create has no answer yet
	Lost                     // a create got no answer
	Open                     // each got an answer, and one does not say what became of it
	Failing                  // each failed, says QFPay
	Holding                  // each was refused for the merchant's configuration, says QFPay
	Refusing                 // each was refused for good, says QFPay
	Verdicts
)

// Facts is all that the policy may look at.
type Facts struct {
	Reply            Reply
	State            State
	Verdict          Verdict
	OnlyCreate       bool // the create just made is the only one ever made under this number
	CreateMayLand    bool // a create may still arrive at QFPay: "not found" proves nothing yet
	NotFoundBefore   bool // an earlier query, when every create had landed, did not find the order either
	CloseSentHere    bool // this attempt has sent a close
	PastDeadline     bool // the order's deadline is over
	PastDoubtTimeout bool // the doubt timeout is over too, and so is the life of its QR code where QFPay says how long that is
	Patient          bool // its QR code may still run out, and that is waited for
	Close            bool // closing its unpaid order is allowed and documented for its pay type
	TooEarlyToClose  bool // its wallet closes no order as young as its latest create
	Reissue          bool // another number is allowed
	Reopened         bool // a person wants another try, under another number where this one is dead
	Resend           bool // the same number may be sent once more
	Unique           bool // QFPay is trusted to refuse a number it has
	Cancel           bool // somebody has asked to cancel the order
}

// Action is what to do next about an order.
type Action uint8

const (
	Create       Action = iota // create it, or create it again under the same number
	Retract                    // write down that the create just made was not carried out
	Query                      // query the current number
	CloseOrder                 // close the current number
	Reissue                    // take a new number
	Wait                       // defer the order
	WaitNotFound               // defer it, and remember that it was not found
	Settle                     // give it its result
	Actions
)

// Step is an action with what it needs.
type Step struct {
	Do      Action
	Outcome tasks.Outcome     // of settle
	Reason  string            // of settle, for the result stream
	Why     event.DeferReason // of wait and waitNotFound
}

// The reasons of results, beside the gateway's own words.
const (
	reasonCreated     = ""
	reasonRefused     = "refused by QFPay"
	ReasonLate        = "deadline passed before it could be created"
	reasonLateClosed  = "deadline passed; the order at QFPay is closed"
	reasonClosed      = "closed at QFPay, and no further number is allowed"
	reasonFailed      = "failed at the channel, and no further number is allowed"
	reasonOtherOrder  = "out_trade_no is taken at QFPay by an order with another amount or currency"
	reasonMaybeOurs   = "the order that stands at QFPay under its out_trade_no differs, and may be ours"
	ReasonPaid        = "paid at QFPay, but its QR code is not known here"
	reasonQRLost      = "stands unpaid at QFPay, and its QR code is lost"
	reasonNotFound    = "sent, and not found at QFPay"
	reasonFailing     = "QFPay says that it cannot be created now, and does not have it"
	reasonUnclearLong = "sent, and QFPay could not be asked what became of it"

	// ReasonCancelled is also that of the journal's script, which cancels what no attempt has.
	ReasonCancelled  = "cancelled before it was created"
	reasonCancelDead = "cancelled; QFPay shows that its order can never be paid"
	reasonCancelGone = "cancelled; QFPay says that it could not be created, and does not have it"
)

// Next is the whole policy: it decides what to do about an order, given the facts. It is
// total: every combination of facts has an answer on purpose. It keeps these rules:
//
//   - a create leaves only when the number is new, or after two queries did not find the
//     order, the second of them when every create must have landed;
//   - a reissue needs the gateway's word that the order under the old number is closed;
//   - a close leaves only for an order that was just shown unpaid and is old enough for its wallet;
//   - a create is taken back only when nothing left, QFPay itself defines its answer as "not
//     processed", or QFPay has refused the configuration each time and a query did not find the
//     order; every other answer, status or silence is followed by a query;
//   - rejected, expired and cancelled are published only when it is certain that QFPay holds
//     no live order;
//   - once somebody has asked to cancel the order, no create leaves and no number is taken; but
//     what a create brings is published;
//   - an order that may be live and cannot be cleared up is unresolved, never a failure; one
//     that clears itself is waited for.
func Next(f Facts) Step {
	switch f.Reply {
	case Nothing:
		return begin(f)
	case Created:
		return Settled(tasks.Created, reasonCreated)
	case Refused, NotNow, NotExecuted, SignatureRefused, ConfigRefused, Unknown:
		return afterCreate(f)
	case CloseSent:
		return Step{Do: Query}
	default:
		return afterQuery(f)
	}
}

// begin decides the first step of an attempt, and the first one after a reissue.
func begin(f Facts) Step {
	switch {
	case f.State != StateNew:
		return Step{Do: Query} // never create first: a create may have left
	case f.Cancel:
		return Settled(tasks.Cancelled, ReasonCancelled)
	case f.PastDeadline:
		return Settled(tasks.Expired, ReasonLate)
	default:
		return Step{Do: Create}
	}
}

// afterCreate handles a create that brought no QR code. A refusal is no end either: QFPay says with
// several codes that it has the number already.
func afterCreate(f Facts) Step {
	switch {
	case f.Reply != NotExecuted && f.Reply != SignatureRefused:
		return Step{Do: Query}
	case f.State == StateSent && f.OnlyCreate:
		return Step{Do: Retract} // as if it had never left
	case f.Reply == SignatureRefused:
		return afterRetract(f, event.DeferHeld)
	default:
		return afterRetract(f, event.DeferGateway)
	}
}

// afterRetract handles a create that was not carried out, when the journal has that.
func afterRetract(f Facts, why event.DeferReason) Step {
	switch {
	case f.State == StateNew && f.Cancel:
		return Settled(tasks.Cancelled, ReasonCancelled)
	case f.State == StateNew && f.PastDeadline:
		return Settled(tasks.Expired, ReasonLate)
	default:
		return Step{Do: Wait, Why: why}
	}
}

// afterQuery handles the answer to a query.
func afterQuery(f Facts) Step {
	switch f.Reply {
	case Unpaid:
		return afterUnpaid(f)
	case Paid:
		return Settled(tasks.Unresolved, ReasonPaid)
	case Closed, Failed, Declined:
		return afterDead(f)
	case NotFound:
		return afterNotFound(f)
	case OtherOrder:
		return afterOtherOrder(f)
	case MaybeOurs:
		return Settled(tasks.Unresolved, reasonMaybeOurs)
	}
	if f.PastDoubtTimeout {
		return Settled(tasks.Unresolved, reasonUnclearLong)
	}
	return InDoubt()
}

// afterDead handles an order that QFPay shows dead, in one of three ways.
func afterDead(f Facts) Step {
	switch {
	case f.Cancel:
		return Settled(tasks.Cancelled, reasonCancelDead)
	case f.Reply == Closed:
		return afterClosed(f)
	case f.Reply == Failed:
		if f.Reissue && !f.PastDeadline {
			return Step{Do: Reissue}
		}
		return Settled(tasks.Rejected, reasonFailed)
	default:
		if f.Reopened && f.Reissue && !f.PastDeadline {
			return Step{Do: Reissue}
		}
		return Settled(tasks.Rejected, reasonRefused)
	}
}

// afterUnpaid handles an order that stands unpaid at QFPay, and whose QR code is lost, so that nobody
// can pay it. What cannot be closed, or not yet, clears itself when the QR code runs out: nobody is
// called as long as that is to be expected. A reissue and a cancellation wait for it, too.
func afterUnpaid(f Facts) Step {
	switch {
	case f.PastDoubtTimeout:
		return Settled(tasks.Unresolved, reasonQRLost)
	case f.Close && !f.TooEarlyToClose && !f.CloseSentHere:
		return Step{Do: CloseOrder}
	case f.Close, f.Patient, f.Cancel, f.Reissue && !f.PastDeadline:
		return InDoubt() // a close that was sent has not shown its effect yet
	default:
		return Settled(tasks.Unresolved, reasonQRLost)
	}
}

// afterClosed handles an order of which QFPay itself says that it can never be paid.
func afterClosed(f Facts) Step {
	switch {
	case f.PastDeadline:
		return Settled(tasks.Expired, reasonLateClosed)
	case f.Reissue:
		return Step{Do: Reissue}
	default:
		return Settled(tasks.Rejected, reasonClosed)
	}
}

// afterNotFound handles "no such order". It is believed only when every create must have landed,
// and only the second time. Even then it allows the same number again, but neither a reissue nor
// a failure: a late request may still land. What was answered has landed: if QFPay has refused
// every create, or says that each failed, it confirms that. A refused configuration is mended
// some day, so then the create is taken back.
func afterNotFound(f Facts) Step {
	switch {
	case f.State == StateNew:
		return afterRetract(f, event.DeferHeld)
	case f.State == StateSent && f.Verdict == Holding:
		return Step{Do: Retract}
	case f.State == StateSent && f.Verdict == Refusing:
		return Settled(tasks.Rejected, reasonRefused)
	case f.State == StateSent && f.Verdict == Failing:
		return afterFailing(f)
	case f.CreateMayLand:
		return InDoubt()
	case !f.NotFoundBefore:
		return Step{Do: WaitNotFound, Why: event.DeferDoubt}
	case f.Resend && !f.PastDeadline && !f.Cancel && f.State == StateSent:
		return Step{Do: Create}
	default:
		return Settled(tasks.Unresolved, reasonNotFound)
	}
}

// afterFailing handles an order that QFPay says it could not create now, and does not have.
func afterFailing(f Facts) Step {
	switch {
	case !f.NotFoundBefore:
		return Step{Do: WaitNotFound, Why: event.DeferDoubt}
	case f.Cancel:
		return Settled(tasks.Cancelled, reasonCancelGone)
	case f.Resend && !f.PastDeadline:
		return Step{Do: Create}
	default:
		return Settled(tasks.Rejected, reasonFailing)
	}
}

// afterOtherOrder handles a number that belongs to an order that is not ours. Where numbers are
// unique, QFPay has refused our order, or will refuse it when it lands.
func afterOtherOrder(f Facts) Step {
	switch {
	case f.CreateMayLand:
		return InDoubt()
	case f.Unique:
		return Settled(tasks.Rejected, reasonOtherOrder)
	default:
		return Settled(tasks.Unresolved, reasonOtherOrder)
	}
}

// Settled is the step that ends an order.
func Settled(o tasks.Outcome, reason string) Step {
	return Step{Do: Settle, Outcome: o, Reason: reason}
}

// InDoubt is the step that waits before the next query.
func InDoubt() Step { return Step{Do: Wait, Why: event.DeferDoubt} }

// Calls reports whether a step makes a call to the gateway.
func (s Step) Calls() bool {
	return s.Do == Create || s.Do == Query || s.Do == CloseOrder
}
