package simulator

// effect is the effect of a fault. The zero value is a call without a fault. Its fields act in
// the order in which they stand here: on the way there, on the books, on QFPay's answer before
// it is signed, and on the signed answer on its way back.
type effect struct {
	unreachable bool // no connection: the request does not arrive
	notDone     bool // the request is not processed
	lateLanding bool

	aftermath aftermath
	hidden    bool // from queries
	paidFirst bool
	unscanned bool // an order that was not scanned is not closed
	idle      bool // an order is not closed, and the answer says that it is
	young     bool // an order of WeChat that is younger than youngAge is not closed

	respcd, text string              // to answer with
	status       int                 // HTTP status of the answer; 0: 200
	alter        func(object) object // changes a successful answer
	sign         SignResponses       // in place of Config.SignResponses

	page       bool // a page of HTML with status in place of the answer
	forge      func(request, answer, history) answer
	transfer   func(answer) answer
	lateAnswer bool
	cut        cut
}

// aftermath is the entry in the ledger after a fault with a respcd.
type aftermath uint8

const (
	nothingStored aftermath = iota
	failedOrder             // an order that failed at the channel; the answer has its syssn
	liveOrder               // an unpaid order; the answer has its syssn
	unsaidOrder             // an unpaid order; the answer does not mention it
)
