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
type agenda struct {
	mu     sync.Mutex
	last   time.Time     // the latest sweep
	next   time.Time     // the sweep to come
	noted  time.Time     // when the first order is due that was put down since the sweep began; or zero
	sooner chan struct{} // has an element when next has moved forward
}

func newAgenda() *agenda { return &agenda{sooner: make(chan struct{}, 1)} }

// swept notes that a sweep has ended, and in how long the next order is due; less than
// nothing: no order waits. The sweep may have missed what was put down meanwhile.
func (a *agenda) swept(due time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if due < 0 {
		due = sweepIdle
	}
	a.last = time.Now()
	a.next = a.last.Add(min(max(due, sweepEvery), sweepIdle))
	a.bringForward()
}

// due notes that an order is due in so long.
func (a *agenda) due(in time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at := time.Now().Add(in); a.noted.IsZero() || at.Before(a.noted) {
		a.noted = at
	}
	if a.bringForward() {
		select {
		case a.sooner <- struct{}{}:
		default: // it has not looked since the last time
		}
	}
}

// bringForward has the next sweep meet what was noted, and tells whether it is sooner now.
func (a *agenda) bringForward() bool {
	at := a.noted
	if earliest := a.last.Add(sweepEvery); at.Before(earliest) {
		at = earliest
	}
	if a.noted.IsZero() || !at.Before(a.next) {
		return false
	}
	a.next = at
	return true
}

// wait waits until the next sweep, and tells whether there is one: not when ctx ends.
func (a *agenda) wait(ctx context.Context) bool {
	for {
		left := a.left()
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-a.sooner:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// left is how long it is until the next sweep. When it is time, what was noted has
// served its purpose: the sweep that follows finds it.
func (a *agenda) left() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := time.Until(a.next)
	if left <= 0 {
		a.noted = time.Time{}
	}
	return left
}
