package metrics

import (
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

func TestJudge_OrdersAreJudgedByTheObjectiveOfTheirLane(t *testing.T) {
	for name, test := range map[string]struct {
		settled event.Settled
		want    verdict
	}{
		"a customer waits a short time":   {event.Settled{Lane: tasks.Interactive, Outcome: tasks.Created, Took: 10 * time.Second}, good},
		"a customer waits too long":       {event.Settled{Lane: tasks.Interactive, Outcome: tasks.Created, Took: 10*time.Second + 1}, late},
		"no customer waits":               {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: 5 * time.Minute}, good},
		"no customer waits, but too long": {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: 5*time.Minute + 1}, late},
		// a file of 10,000 orders takes 25 minutes at 400 a minute, as intended
		"its turn came late":        {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: time.Hour, DeferredFor: event.DeferQuota}, throttled},
		"its turn did not come":     {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Expired, Took: time.Hour, DeferredFor: event.DeferQuota}, throttled},
		"its turn came soon enough": {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: time.Minute, DeferredFor: event.DeferQuota}, good},
		"the gateway was away":      {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Expired, Took: time.Minute, DeferredFor: event.DeferGateway}, late},
		"its merchant was held":     {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: time.Hour, DeferredFor: event.DeferHeld}, late},
		"QFPay rejected it":         {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Rejected, Took: time.Hour}, declined},
		"a person must check":       {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Unresolved, Took: time.Second}, doubt},
		"… though it was throttled": {event.Settled{Lane: tasks.Bulk, Outcome: tasks.Unresolved, DeferredFor: event.DeferQuota}, doubt},
	} {
		if got := judge(test.settled); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
