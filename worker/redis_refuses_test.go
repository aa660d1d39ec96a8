package worker

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// A Redis that is out of memory refuses asynq's dequeue, whether there is a task or
// not. It is asked again, but not all the time. (Without the pause of the wake hook:
// 20,000 times a second.)
func TestRedis_IsNotHammeredWhileItRefuses(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, redistest.Start(t))
	r.server.Do(t, "config", "set", "maxmemory", "1")
	r.start()
	dequeues := func() int {
		calls := regexp.MustCompile(`errorstat_OOM:count=(\d+)`).FindStringSubmatch(r.server.Do(t, "info", "errorstats"))
		if calls == nil {
			return 0
		}
		n, err := strconv.Atoi(calls[1])
		ok(t, err)
		return n
	}
	r.eventually("the first dequeues are refused", func() bool { return dequeues() > 0 })
	began, before := time.Now(), dequeues()
	<-time.After(time.Second)
	// Two lanes, each at most every 250 ms.
	most := 2 * (int(time.Since(began)/(250*time.Millisecond)) + 2)
	if n := dequeues() - before; n == 0 || n > most {
		t.Errorf("%d dequeues within %s, want 1 to %d", n, time.Since(began), most)
	}
}

// An order that got a new number at the end of an attempt goes on at once: nothing
// of that number is on its way, so there is nothing to wait for.
func TestReissue_DoesNotWait(t *testing.T) {
	t.Parallel()
	h := &handler{times: calmTimes()}
	a := &attempt{handler: h, began: time.Now(), claim: journal.Claim{State: policy.StateNew, Reissues: 1, ClaimedAt: time.Now()}}
	if d := h.delay(t.Context(), a, &policy.Step{Do: policy.Wait, Why: event.DeferDoubt}); d != 0 {
		t.Errorf("it waits for %s", d)
	}
}
