package worker

import (
	"context"
	"sync"
	"time"
)

// agenda says when the next sweep is: when an order is due, as far as is known, not
// more often than every sweepEvery and not less often than every sweepIdle. The
// sweeper learns of other processes' orders by sweeping; orders that its own process
// puts down are noted here.
type sweepTimer struct {
	mu           sync.Mutex
	last         time.Time     // the latest sweep
	next         time.Time     // the sweep to come
	earliestDue  time.Time     // when the first order is due that was put down since the sweep began; or zero
	movedForward chan struct{} // has an element when next has moved forward
}

func newSweepTimer() *sweepTimer { return &sweepTimer{movedForward: make(chan struct{}, 1)} }

// swept notes that a sweep has ended, and in how long the next order is due; less than
// nothing: no order waits. The sweep may have missed what was put down meanwhile.
func (t *sweepTimer) sweepEnded(due time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if due < 0 {
		due = sweepIdle
	}
	t.last = time.Now()
	t.next = t.last.Add(min(max(due, sweepEvery), sweepIdle))
	t.bringForward()
}

// due notes that an order is due in so long.
func (t *sweepTimer) orderDue(in time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := time.Now().Add(in); t.earliestDue.IsZero() || at.Before(t.earliestDue) {
		t.earliestDue = at
	}
	if t.bringForward() {
		select {
		case t.movedForward <- struct{}{}:
		default: // it has not looked since the last time
		}
	}
}

// bringForward has the next sweep meet what was noted, and tells whether it is sooner now.
func (t *sweepTimer) bringForward() bool {
	at := t.earliestDue
	if earliest := t.last.Add(sweepEvery); at.Before(earliest) {
		at = earliest
	}
	if t.earliestDue.IsZero() || !at.Before(t.next) {
		return false
	}
	t.next = at
	return true
}

// wait waits until the next sweep, and tells whether there is one: not when ctx ends.
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

// left is how long it is until the next sweep. When it is time, what was noted has
// served its purpose: the sweep that follows finds it.
func (t *sweepTimer) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := time.Until(t.next)
	if left <= 0 {
		t.earliestDue = time.Time{}
	}
	return left
}
