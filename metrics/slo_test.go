package metrics

import (
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

func TestJudge_OrdersAreJudgedByTheObjectiveOfTheirLane(t *testing.T) {
	for name, test := range map[string]struct {
		settled worker.Settled
		want    verdict
	}{
		"a customer waits a short time":   {worker.Settled{Lane: tasks.Interactive, Outcome: tasks.Created, Took: 10 * time.Second}, good},
		"a customer waits too long":       {worker.Settled{Lane: tasks.Interactive, Outcome: tasks.Created, Took: 10*time.Second + 1}, late},
		"no customer waits":               {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: 5 * time.Minute}, good},
		"no customer waits, but too long": {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: 5*time.Minute + 1}, late},
		// a file of 10,000 orders takes 25 minutes at 400 a minute, as intended
		"its turn came late":        {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: time.Hour, DeferredFor: worker.DeferQuota}, throttled},
		"its turn did not come":     {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Expired, Took: time.Hour, DeferredFor: worker.DeferQuota}, throttled},
		"its turn came soon enough": {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: time.Minute, DeferredFor: worker.DeferQuota}, good},
		"the gateway was away":      {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Expired, Took: time.Minute, DeferredFor: worker.DeferGateway}, late},
		"its merchant was held":     {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Created, Took: time.Hour, DeferredFor: worker.DeferHeld}, late},
		"QFPay rejected it":         {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Rejected, Took: time.Hour}, declined},
		"a person must check":       {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Unresolved, Took: time.Second}, doubt},
		"… though it was throttled": {worker.Settled{Lane: tasks.Bulk, Outcome: tasks.Unresolved, DeferredFor: worker.DeferQuota}, doubt},
	} {
		if got := judge(test.settled); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
