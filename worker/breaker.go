package worker

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// breaker is a circuit breaker: it holds the orders of a merchant whose configuration QFPay
// refuses. While it is open, one order goes as a probe now and then, at growing intervals, until
// QFPay takes one.
type breaker struct {
	mu       sync.Mutex
	reason   string // empty: the breaker is closed
	probing  bool   // a probe is on its way
	pause    time.Duration
	until    time.Time
	strikes  int                            // answers in a row that may be the merchant's fault or one order's
	retired  bool                           // the merchant has other credentials now, or is gone
	onChange func(reason string, held bool) // is called, in order, when the breaker opens or closes; may be nil
}

// admit returns how long an order has to wait; 0 lets it go. Of the orders that ask when the
// pause is over, one goes, as the probe; the others wait for its answer.
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

// trip opens the breaker, or keeps it open longer after a probe was refused. Calls that were on
// their way when it opened are refused as well, and change nothing. trip reports whether the
// breaker was closed before.
func (b *breaker) trip(now time.Time, reason string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.retired {
		return false // the refused credentials are not in force any more
	}
	begins := b.reason == ""
	if begins || b.probing {
		b.pause = min(max(2*b.pause, timing.MinOpen), timing.MaxOpen)
		b.until, b.probing = now.Add(b.pause), false
	}
	b.reason = reason
	if begins {
		b.notify(reason, true)
	}
	return begins
}

// mostStrikes is how many answers in a row that may be one order's fault are the merchant's.
const mostStrikes = 3

// strike counts such an answer, and reports whether the breaker must trip.
func (b *breaker) strike() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.strikes++
	return b.strikes >= mostStrikes
}

// reset closes the breaker, and returns the reason why it was open, if it was.
func (b *breaker) reset() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.resetLocked()
}

// resetLocked is reset for callers that hold the lock.
func (b *breaker) resetLocked() string {
	reason := b.reason
	b.reason, b.pause, b.probing, b.strikes = "", 0, false, 0
	if reason != "" {
		b.notify(reason, false)
	}
	return reason
}

// retire closes the breaker for good: calls that are still on their way with the old credentials
// do not open it again.
func (b *breaker) retire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resetLocked()
	b.retired = true
}

// notify calls onChange under the lock, so that the last call tells the current state.
func (b *breaker) notify(reason string, held bool) {
	if b.onChange != nil {
		b.onChange(reason, held)
	}
}
