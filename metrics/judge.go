package metrics

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// verdict is how a settled order stands to the objective of its lane.
type verdict string

const (
	good      verdict = "good"      // its result was there in time
	late      verdict = "late"      // it took too long, or expired, and nobody meant it to
	doubt     verdict = "doubt"     // unresolved: a person must look
	declined  verdict = "declined"  // refused, by validation or by QFPay: the merchant's matter
	throttled verdict = "throttled" // it took long, or expired, waiting for the merchant's own quota
)

var verdicts = []verdict{good, late, doubt, declined, throttled}

// objective is how long an order may take from its enqueuing to its result, by lane.
// In interactive a customer is waiting at a counter.
var objective = map[tasks.Lane]time.Duration{
	tasks.Interactive: 10 * time.Second,
	tasks.Bulk:        5 * time.Minute,
}

// judge says what an order counts as. Alerts burn on late and doubt, against good;
// declined and throttled are left out, for nothing is wrong with the service there.
//
// An order that waited for quota and for something else counts by what it waited for
// last, which is all that its journal keeps.
func judge(e worker.Settled) verdict {
	switch {
	case e.Outcome == tasks.Unresolved:
		return doubt
	case e.Outcome == tasks.Rejected:
		return declined
	case e.Outcome == tasks.Created && e.Took <= objective[e.Lane]:
		return good
	case e.DeferredFor == worker.DeferQuota:
		return throttled
	default:
		return late
	}
}
