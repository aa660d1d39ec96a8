package metrics

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// verdict compares a settled order with the objective of its lane.
type verdict string

const (
	good      verdict = "good"      // its result was published in time
	late      verdict = "late"      // it took too long, or expired, without an intended reason
	doubt     verdict = "doubt"     // unresolved: a person must check
	declined  verdict = "declined"  // rejected, by validation or by QFPay: the merchant must act; or cancelled
	throttled verdict = "throttled" // it took long, or expired, because it waited for the merchant's quota, or a person had paused it
)

var verdicts = []verdict{good, late, doubt, declined, throttled}

// objective is how long an order may take from its enqueuing to its result, by lane. In
// interactive, a customer is waiting at a counter.
var objective = map[tasks.Lane]time.Duration{
	tasks.Interactive: 10 * time.Second,
	tasks.Bulk:        5 * time.Minute,
}

// judge returns what an order counts as. The burn rate of the alerts is late and doubt,
// compared with good; declined and throttled do not count, because there the service works.
//
// An order that waited for several reasons counts by the last one, because its journal keeps
// only that.
func judge(e event.Settled) verdict {
	switch {
	case e.Outcome == tasks.Unresolved:
		return doubt
	case e.Outcome == tasks.Rejected, e.Outcome == tasks.Cancelled:
		return declined
	case e.Outcome == tasks.Created && e.Took <= objective[e.Lane]:
		return good
	case e.DeferredFor == event.DeferQuota || e.DeferredFor == event.DeferPaused:
		return throttled
	default:
		return late
	}
}
