package worker

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	firstHold   = 5 * time.Second
	longestHold = 5 * time.Minute
)

// hold keeps the orders of a merchant whose configuration QFPay refuses. They wait;
// now and then one goes as a probe, at growing intervals, until QFPay takes it.
type hold struct {
	mu      sync.Mutex
	reason  string // empty: not held
	probing bool   // an order has gone as a probe and is not answered yet
	pause   time.Duration
	until   time.Time
	retired bool                           // the merchant has other credentials now, or is gone
	tell    func(reason string, held bool) // is told, in order, that it begins or ends; nil: nobody
}

// wait tells how long an order has to wait; 0 means go. Of the orders that come
// when the pause is over, one goes, as the probe; the others wait for its answer.
func (h *hold) wait(now time.Time, answer time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason == "" {
		return 0
	}
	if left := h.until.Sub(now); left > 0 {
		return left + rand.N(h.pause)
	}
	h.until, h.probing = now.Add(answer), true
	return 0
}

// is tells whether the merchant is held.
func (h *hold) is() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reason != ""
}

// set holds the merchant, or holds it longer after a probe was refused. The calls
// that were under way when it began are refused as well, and change nothing. It
// tells whether it was not held before.
func (h *hold) set(now time.Time, reason string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.retired {
		return false // what was refused is not in force any more
	}
	begins := h.reason == ""
	if begins || h.probing {
		h.pause = min(max(2*h.pause, firstHold), longestHold)
		h.until, h.probing = now.Add(h.pause), false
	}
	h.reason = reason
	if begins {
		h.say(reason, true)
	}
	return begins
}

// clear ends the hold, and returns its reason if there was one.
func (h *hold) clear() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.end()
}

// end is clear for who has the lock.
func (h *hold) end() string {
	reason := h.reason
	h.reason, h.pause, h.probing = "", 0, false
	if reason != "" {
		h.say(reason, false)
	}
	return reason
}

// retire ends the hold for good: calls that are still under way with the credentials of
// before change nothing any more.
func (h *hold) retire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end()
	h.retired = true
}

// say tells what has happened while nothing else can happen: whoever is told last that
// the merchant is held is told the truth.
func (h *hold) say(reason string, held bool) {
	if h.tell != nil {
		h.tell(reason, held)
	}
}
