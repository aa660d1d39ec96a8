// Package roundtimer decides when a process next looks for orders that are due.
//
// It looks for nothing itself and never ends a wait twice for one order. Start reading at [Timer].
package roundtimer

import (
	"context"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Timer decides when the dispatcher's next round is: when the next order is due, as far as
// this process knows, but at most every timing.RoundEvery and at least every timing.RoundIdle. The
// dispatcher learns about other processes' orders by its rounds; orders that its own process defers
// are reported with OrderDue.
type Timer struct {
	mu           sync.Mutex
	last         time.Time     // the latest round
	next         time.Time     // the next round
	earliestDue  time.Time     // of the orders deferred since the latest round began; zero: there are none
	movedForward chan struct{} // has an element when next has become earlier
}

// New returns a timer whose first round is at once.
func New() *Timer { return &Timer{movedForward: make(chan struct{}, 1)} }

// RoundEnded notes that a round has ended, and when the next order is due; negative: no order
// waits. The round may have missed orders that were deferred meanwhile.
func (t *Timer) RoundEnded(due time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if due < 0 {
		due = timing.RoundIdle
	}
	t.last = time.Now()
	t.next = t.last.Add(min(max(due, timing.RoundEvery), timing.RoundIdle))
	t.bringForward()
}

// OrderDue notes that an order is due in so long.
func (t *Timer) OrderDue(in time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := time.Now().Add(in); t.earliestDue.IsZero() || at.Before(t.earliestDue) {
		t.earliestDue = at
	}
	if t.bringForward() {
		select {
		case t.movedForward <- struct{}{}:
		default: // the dispatcher has not seen the last one yet
		}
	}
}

// bringForward moves the next round to the earliest noted order, and reports whether the round
// is earlier now.
func (t *Timer) bringForward() bool {
	at := t.earliestDue
	if earliest := t.last.Add(timing.RoundEvery); at.Before(earliest) {
		at = earliest
	}
	if t.earliestDue.IsZero() || !at.Before(t.next) {
		return false
	}
	t.next = at
	return true
}

// Wait waits until the next round. It returns false when ctx ends first.
func (t *Timer) Wait(ctx context.Context) bool {
	for {
		left := t.left()
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-t.movedForward:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// left returns the time until the next round. When it is over, the noted time is forgotten: the
// round that follows finds the order.
func (t *Timer) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := time.Until(t.next)
	if left <= 0 {
		t.earliestDue = time.Time{}
	}
	return left
}
