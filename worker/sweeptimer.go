package worker

import (
	"context"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// sweepTimer decides when the next sweep is: when the next order is due, as far as this process
// knows, but at most every timing.SweepEvery and at least every timing.SweepIdle. The sweeper learns about
// other processes' orders by sweeping; orders that its own process defers are reported with
// orderDue.
type sweepTimer struct {
	mu           sync.Mutex
	last         time.Time     // the latest sweep
	next         time.Time     // the next sweep
	earliestDue  time.Time     // of the orders deferred since the latest sweep began; zero: there are none
	movedForward chan struct{} // has an element when next has become earlier
}

func newSweepTimer() *sweepTimer { return &sweepTimer{movedForward: make(chan struct{}, 1)} }

// sweepEnded notes that a sweep has ended, and when the next order is due; negative: no order
// waits. The sweep may have missed orders that were deferred meanwhile.
func (t *sweepTimer) sweepEnded(due time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if due < 0 {
		due = timing.SweepIdle
	}
	t.last = time.Now()
	t.next = t.last.Add(min(max(due, timing.SweepEvery), timing.SweepIdle))
	t.bringForward()
}

// orderDue notes that an order is due in so long.
func (t *sweepTimer) orderDue(in time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := time.Now().Add(in); t.earliestDue.IsZero() || at.Before(t.earliestDue) {
		t.earliestDue = at
	}
	if t.bringForward() {
		select {
		case t.movedForward <- struct{}{}:
		default: // the sweeper has not seen the last one yet
		}
	}
}

// bringForward moves the next sweep to the earliest noted order, and reports whether the sweep
// is earlier now.
func (t *sweepTimer) bringForward() bool {
	at := t.earliestDue
	if earliest := t.last.Add(timing.SweepEvery); at.Before(earliest) {
		at = earliest
	}
	if t.earliestDue.IsZero() || !at.Before(t.next) {
		return false
	}
	t.next = at
	return true
}

// wait waits until the next sweep. It returns false when ctx ends first.
func (t *sweepTimer) wait(ctx context.Context) bool {
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

// left returns the time until the next sweep. When it is over, the noted time is forgotten: the
// sweep that follows finds the order.
func (t *sweepTimer) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := time.Until(t.next)
	if left <= 0 {
		t.earliestDue = time.Time{}
	}
	return left
}
