package worker

import (
	"context"
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

// An acknowledgement is repeated while the server says "not now", in every way it has
// of saying so.
func TestAckHook_RepeatsAnAcknowledgementWhileTheServerRefuses(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{
		"READONLY You can't write against a read only replica.",
		"LOADING Redis is loading the dataset in memory",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
		"NOREPLICAS Not enough good replicas to write.",
		"CLUSTERDOWN Hash slot not served",
		"TRYAGAIN Multiple keys request during rehashing of slot",
		"OOM command not allowed when used memory > 'maxmemory'.",
		"MISCONF Errors writing to the AOF file: No space left on device",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		next, tries := failing(1, redisError(refusal))
		if err := (ackHook{}).ProcessHook(next)(ctx, ackCmd(ctx)); err != nil || *tries != 2 {
			t.Errorf("%s: %d tries, %v", refusal, *tries, err)
		}
		cancel()
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
