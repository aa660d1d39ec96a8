package worker

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
)

// times are the worker's spans of time. Only the call timeout is configured; the
// others follow from it, so that they cannot contradict each other:
//
//	call < attempt < lease < landingTime
//
// An attempt ends before its lease does, so none of its calls leaves without a lease. An
// order counts as not found only when every create that has left must have landed.
type times struct {
	call        time.Duration // one exchange with the gateway
	attempt     time.Duration // one run of the handler: a wait for a slot, and a call
	lease       time.Duration // of an order; a killed worker's orders are due when it ends
	landingTime time.Duration // after a create has left; until then "not found" proves nothing
	doubt       time.Duration // between queries about an order in doubt, at first
	longest     time.Duration // between such queries at most
	held        time.Duration // until an order of a held or unknown merchant is tried again, at most
	busy        time.Duration // before the next try when QFPay is being maintained (1100)
}

const (
	// margin is what scripts and scheduling may take beside a call and the wait for its slot.
	margin = time.Second
	// settleTimeout is how long the worker tries to write a result, with a context of its
	// own: the payment exists whether the worker has time or not.
	settleTimeout = 30 * time.Second
	// doubtTimeout is how long after its deadline QFPay is still queried about an order in
	// doubt, before it ends unresolved and a person has to look.
	doubtTimeout = 15 * time.Minute
	// retention is how long the journal of a settled order is kept, and so how long a
	// repeated order is recognized as a duplicate. QFPay refuses the number for ever.
	retention = 30 * 24 * time.Hour
)

// The pause between two queries about an order in doubt is half of the time since it was
// sent, so that they become rare, within the first two of these bounds. QFPay suggests 3 to
// 5 s before the first query, and a delayed retry while it is being maintained.
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
