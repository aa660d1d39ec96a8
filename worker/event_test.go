package worker

import (
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// What metrics judge an order by is told with its result: that it was issued again,
// and what it waited for last.
func TestSettle_SaysWhatTheOrderWaitedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault    string
		waited   event.DeferReason
		reissues int
	}{
		{"", "", 0},
		{"http_429", event.DeferGateway, 0}, // deferred, and taken up again
		{"drop_after", "", 1},               // closed and issued again in one attempt
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{})
			if c.fault != "" {
				r.fault(simulator.Fault(c.fault))
			}
			stop := r.start()
			r.enqueue(1, nil)
			r.results(1)
			stop() // whatever was to be told has been told
			settled := seen[event.Settled](r.events)
			if len(settled) != 1 || settled[0].DeferredFor != c.waited {
				t.Errorf("settled %+v, want one that waited for %q", settled, c.waited)
			}
			if n := len(seen[event.Reissued](r.events)); n != c.reissues {
				t.Errorf("%d reissues, want %d", n, c.reissues)
			}
		})
	}
}
