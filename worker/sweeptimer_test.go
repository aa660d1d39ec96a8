package worker

import (
	"testing"
	"testing/synctest"
	"time"
)

// sweeps runs a sweeper that finds the answers one after the other, and returns when
// it swept.
func sweeps(t *testing.T, timer *sweepTimer, answers ...time.Duration) []time.Duration {
	t.Helper()
	began := time.Now()
	var at []time.Duration
	for _, next := range answers {
		if !timer.wait(t.Context()) {
			t.Fatal("no further sweep")
		}
		at = append(at, time.Since(began))
		timer.sweepEnded(next)
	}
	return at
}

func TestSweepTimer_FiresWhenTheNextOrderIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := sweeps(t, newSweepTimer(),
			-1,                   // at the start; nothing waits
			time.Hour,            // a second later; far off
			450*time.Millisecond, // a second later; soon
			0,                    // then; one is due already
			time.Hour)            // not before timing.SweepEvery
		want := []time.Duration{0, 1000, 2000, 2450, 2650}
		for i := range want {
			if at[i] != want[i]*time.Millisecond {
				t.Fatalf("swept at %v, want %v ms", at, want)
			}
		}
	})
}

func TestSweepTimer_FiresInTimeForADeferredOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ noted, due, swept time.Duration }{
		"in the middle of an idle second": {100, 300, 400},
		"at once":                         {100, 0, 200}, // not before timing.SweepEvery
		"later than the next sweep":       {100, 2000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				timer := newSweepTimer()
				sweeps(t, timer, time.Hour)
				time.AfterFunc(c.noted*time.Millisecond, func() { timer.orderDue(c.due * time.Millisecond) })
				if at := sweeps(t, timer, time.Hour)[0]; at != c.swept*time.Millisecond {
					t.Errorf("swept after %s, want %d ms", at, c.swept)
				}
			})
		})
	}
}

// The script of a sweep has run, an order is deferred, the sweep's answer arrives: it
// knows nothing of the order.
func TestSweepTimer_RemembersAnOrderDeferredDuringASweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		timer := newSweepTimer()
		timer.wait(t.Context())
		timer.orderDue(300 * time.Millisecond)
		timer.sweepEnded(time.Hour)
		if at := sweeps(t, timer, time.Hour)[0]; at != 300*time.Millisecond {
			t.Errorf("swept after %s, want 300 ms", at)
		}
		if at := sweeps(t, timer, time.Hour)[0]; at != time.Second {
			t.Errorf("what was noted counts twice: swept after %s, want a second", at)
		}
	})
}
