package roundtimer

import (
	"testing"
	"testing/synctest"
	"time"
)

// rounds runs a dispatcher that finds the answers one after the other, and returns when
// its rounds were.
func rounds(t *testing.T, timer *Timer, answers ...time.Duration) []time.Duration {
	t.Helper()
	began := time.Now()
	var at []time.Duration
	for _, next := range answers {
		if !timer.Wait(t.Context()) {
			t.Fatal("no further round")
		}
		at = append(at, time.Since(began))
		timer.RoundEnded(next)
	}
	return at
}

func TestRoundTimer_FiresWhenTheNextOrderIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := rounds(t, New(),
			-1,                   // at the start; nothing waits
			time.Hour,            // a second later; far off
			450*time.Millisecond, // a second later; soon
			0,                    // then; one is due already
			time.Hour)            // not before timing.RoundEvery
		want := []time.Duration{0, 1000, 2000, 2450, 2650}
		for i := range want {
			if at[i] != want[i]*time.Millisecond {
				t.Fatalf("rounds at %v, want %v ms", at, want)
			}
		}
	})
}

func TestRoundTimer_FiresInTimeForADeferredOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ noted, due, round time.Duration }{
		"in the middle of an idle second": {100, 300, 400},
		"at once":                         {100, 0, 200}, // not before timing.RoundEvery
		"later than the next round":       {100, 2000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				timer := New()
				rounds(t, timer, time.Hour)
				time.AfterFunc(c.noted*time.Millisecond, func() { timer.OrderDue(c.due * time.Millisecond) })
				if at := rounds(t, timer, time.Hour)[0]; at != c.round*time.Millisecond {
					t.Errorf("a round after %s, want %d ms", at, c.round)
				}
			})
		})
	}
}

// The script of a round has run, an order is deferred, the round's answer arrives: it
// knows nothing of the order.
func TestRoundTimer_RemembersAnOrderDeferredDuringARound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		timer := New()
		timer.Wait(t.Context())
		timer.OrderDue(300 * time.Millisecond)
		timer.RoundEnded(time.Hour)
		if at := rounds(t, timer, time.Hour)[0]; at != 300*time.Millisecond {
			t.Errorf("a round after %s, want 300 ms", at)
		}
		if at := rounds(t, timer, time.Hour)[0]; at != time.Second {
			t.Errorf("what was noted counts twice: a round after %s, want a second", at)
		}
	})
}
