package worker

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	minOpenTime = 5 * time.Second
	maxOpenTime = 5 * time.Minute
)

// hold keeps the orders of a merchant whose configuration QFPay refuses. They wait;
// now and then one goes as a probe, at growing intervals, until QFPay takes it.
type breaker struct {
	mu       sync.Mutex
	reason   string // empty: not held
	probing  bool   // an order has gone as a probe and is not answered yet
	pause    time.Duration
	until    time.Time
	retired  bool                           // the merchant has other credentials now, or is gone
	onChange func(reason string, held bool) // is told, in order, that it begins or ends; nil: nobody
}

// wait tells how long an order has to wait; 0 means go. Of the orders that come
// when the pause is over, one goes, as the probe; the others wait for its answer.
func (b *breaker) admit(now time.Time, answer time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reason == "" {
		return 0
	}
	if left := b.until.Sub(now); left > 0 {
		return left + rand.N(b.pause)
	}
	b.until, b.probing = now.Add(answer), true
	return 0
}

// is tells whether the merchant is held.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reason != ""
}

// set holds the merchant, or holds it longer after a probe was refused. The calls
// that were under way when it began are refused as well, and change nothing. It
// tells whether it was not held before.
func (b *breaker) trip(now time.Time, reason string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.retired {
		return false // what was refused is not in force any more
	}
	begins := b.reason == ""
	if begins || b.probing {
		b.pause = min(max(2*b.pause, minOpenTime), maxOpenTime)
		b.until, b.probing = now.Add(b.pause), false
	}
	b.reason = reason
	if begins {
		b.notify(reason, true)
	}
	return begins
}

// clear ends the hold, and returns its reason if there was one.
func (b *breaker) reset() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.resetLocked()
}

// end is clear for who has the lock.
func (b *breaker) resetLocked() string {
	reason := b.reason
	b.reason, b.pause, b.probing = "", 0, false
	if reason != "" {
		b.notify(reason, false)
	}
	return reason
}

// retire ends the hold for good: calls that are still under way with the credentials of
// before change nothing any more.
func (b *breaker) retire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resetLocked()
	b.retired = true
}

// say tells what has happened while nothing else can happen: whoever is told last that
// the merchant is held is told the truth.
func (b *breaker) notify(reason string, held bool) {
	if b.onChange != nil {
		b.onChange(reason, held)
	}
}
