package worker

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
)

// times are the worker's spans of time. Only the call timeout is configured; the
// others follow from it, so that they cannot contradict each other:
//
//	call < attempt < lease < quiet
//
// An attempt ends before its lease does, so no call of it leaves unheld; a create
// is believed not to have arrived only when any that left must have landed.
type times struct {
	call        time.Duration // one exchange with the gateway
	attempt     time.Duration // one run of the handler: a wait for leave, and a call
	lease       time.Duration // the hold on an order; a killed worker's order is due again after it
	landingTime time.Duration // after a create left: until then "not found" proves nothing
	doubt       time.Duration // between enquiries about an order in doubt, at first
	longest     time.Duration // and at the longest
	held        time.Duration // until an order whose merchant is held or unknown is tried again, at the longest
	busy        time.Duration // before the next try when QFPay is being maintained (1100)
}

const (
	// margin is what scripts and scheduling may take beside a call and the wait for its slot.
	margin = time.Second
	// settleTimeout is how long the worker tries to write down what the gateway
	// did, with a context of its own: the payment exists whether we have time or not.
	settleTimeout = 30 * time.Second
	// patience is how long after its deadline an order in doubt is still enquired
	// about before a person has to look.
	doubtTimeout = 15 * time.Minute
	// retention is how long the journal of a settled order is kept, and so how long
	// a repeated order is known as a duplicate. QFPay itself refuses the number for ever.
	retention = 30 * 24 * time.Hour
)

// Between two enquiries about an order in doubt: half of its age since it was sent,
// so that they thin out, within the first two of these bounds. QFPay suggests 3 to
// 5 s before the first, and a delayed retry when it is being maintained.
const (
	firstDoubt       = 3 * time.Second
	longestDoubt     = time.Minute
	longestHeld      = 30 * time.Second
	maintenancePause = 30 * time.Second
)

func timesFor(call time.Duration) times {
	t := times{call: call}
	t.attempt = ratelimit.MaxWait + t.call + margin
	t.lease = t.attempt + 2*margin
	t.landingTime = t.lease + t.call
	t.doubt, t.longest, t.held, t.busy = firstDoubt, longestDoubt, longestHeld, maintenancePause
	return t
}
