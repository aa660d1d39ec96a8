// Package breaker holds back orders whose configuration QFPay refuses: one order, one pay type, or a
// whole merchant.
//
// It does no I/O, reads no clock and never decides what becomes of an order: it says how long an order
// has to wait. Start reading at [Breaker].
package breaker

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Breaker is the circuit breaker of one merchant. A refusal of the merchant's configuration may
// concern one order, one pay type, or all of the merchant, and often neither its code nor its
// text says which. So the breaker decides by what QFPay takes meanwhile, and holds no more
// than that:
//
//   - one refused order waits alone; the others go on;
//   - when several orders of a pay type were refused and none was taken, the pay type is held;
//   - when the same is true of all pay types in use, the merchant is held.
//
// Of what is held, one order of each pay type goes as a probe now and then, at growing
// intervals, until QFPay takes one.
//
// There is no I/O here: the times are arguments.
type Breaker struct {
	mu       sync.Mutex
	all      string // why the merchant is held; empty: it is not
	payTypes map[qfpay.PayType]*circuit
	taken    time.Time                // when QFPay last took an order of the merchant
	refused  []string                 // orders refused since then, of pay types that were not held
	retired  bool                     // the merchant has other credentials now, or is gone
	OnChange func(s Scope, held bool) // is called, in order, when something is held or no longer is; may be nil
}

// Scope is what a refusal has led to be held. Without a reason it is the refused order alone.
type Scope struct {
	PayType qfpay.PayType // empty: the whole merchant
	Reason  string        // the respcd, or "http"
}

// circuit is what the breaker knows of one pay type.
type circuit struct {
	reason  string    // why the pay type is held on its own; empty: it is not
	taken   time.Time // when QFPay last took an order of it
	refused []string  // orders refused since then, the last ones
	pause   time.Duration
	until   time.Time // no probe before
	probe   string    // the order that is on its way as a probe
	others  bool      // orders that were not refused yet wait
}

const (
	// fewRefusals of different orders in a row are enough to hold something that QFPay has not
	// taken for timing.Proven; manyRefusals are when it has. Refused orders among good ones, of
	// a pay type that QFPay refuses above some amount, so seldom hold the good ones up.
	fewRefusals  = 3
	manyRefusals = 12
)

// Admit returns how long an order has to wait; 0 lets it go. The first order that asks when the
// pause of its pay type is over goes, as the probe; it has the time answer to report. An order
// that was refused goes only when no other has come for a while, so that it cannot stay the
// only probe.
func (b *Breaker) Admit(now time.Time, id string, t qfpay.PayType, answer time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.circuit(t)
	if b.all == "" && c.reason == "" {
		return 0
	}
	before := slices.Contains(c.refused, id)
	until := c.until
	if before && c.others {
		until = until.Add(timing.ProbeOther)
	}
	if left := until.Sub(now); left > 0 && c.probe != id {
		c.others = c.others || !before
		return left + rand.N(max(c.pause, timing.MinOpen))
	}
	c.until, c.probe, c.others = now.Add(answer), id, false
	return 0
}

// Refuse notes that QFPay refused the configuration in its answer to an order. It returns what
// is held now because of such refusals, and whether this one was the last that it took.
// Refusals of orders that were on their way before change nothing.
func (b *Breaker) Refuse(now time.Time, id string, t qfpay.PayType, reason string) (s Scope, begins bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.retired {
		return Scope{}, false // the refused credentials are not in force any more
	}
	c := b.circuit(t)
	if c.probe == id {
		c.open(now)
	}
	c.refused = noted(c.refused, id)
	switch {
	case b.all != "":
		return Scope{"", b.all}, false
	case c.reason != "":
		return Scope{t, c.reason}, false
	}
	b.refused = noted(b.refused, id)
	switch {
	case enough(b.refused, b.taken, now) && !b.anyWorks(now):
		b.all = reason
		for _, c := range b.payTypes {
			if c.reason == "" {
				c.open(now)
			}
		}
		s = Scope{"", reason}
	case enough(c.refused, c.taken, now):
		c.reason = reason
		c.open(now)
		s = Scope{t, reason}
	default:
		return Scope{}, false
	}
	b.notify(s, true)
	return s, true
}

// Take notes that QFPay took an order. That ends the hold of its pay type and of the merchant. Of
// the other pay types, those stay held that have refusals enough of their own; their next order is
// a probe. Take returns what is not held any more.
func (b *Breaker) Take(now time.Time, t qfpay.PayType) (ended []Scope) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.circuit(t); c.reason != "" {
		ended = append(ended, Scope{t, c.reason})
	}
	b.payTypes[t] = &circuit{taken: now}
	all := b.all
	b.all, b.taken, b.refused = "", now, nil
	if all != "" {
		ended = append(ended, Scope{"", all})
	}
	for _, s := range ended {
		b.notify(s, false)
	}
	for other, c := range b.payTypes {
		switch {
		case all == "" || c.reason != "":
		case len(c.refused) >= fewRefusals:
			c.reason, c.until = all, now
			b.notify(Scope{other, all}, true)
		default:
			*c = circuit{taken: c.taken}
		}
	}
	return ended
}

// Retire ends every hold for good: calls that are still on their way with the old credentials do
// not begin another.
func (b *Breaker) Retire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retired = true
	for t, c := range b.payTypes {
		if c.reason != "" {
			b.notify(Scope{t, c.reason}, false)
		}
	}
	if b.all != "" {
		b.notify(Scope{"", b.all}, false)
	}
	b.all, b.payTypes = "", nil
}

// circuit returns the circuit of a pay type.
func (b *Breaker) circuit(t qfpay.PayType) *circuit {
	if b.payTypes[t] == nil {
		if b.payTypes == nil {
			b.payTypes = map[qfpay.PayType]*circuit{}
		}
		b.payTypes[t] = &circuit{}
	}
	return b.payTypes[t]
}

// anyWorks reports whether the credentials are good for some pay type: QFPay took an order of it
// lately, and has refused none since.
func (b *Breaker) anyWorks(now time.Time) bool {
	for _, c := range b.payTypes {
		if len(c.refused) == 0 && !c.taken.IsZero() && now.Sub(c.taken) < timing.MaxOpen {
			return true
		}
	}
	return false
}

// open lets no probe through before a pause, which is twice as long each time.
func (c *circuit) open(now time.Time) {
	c.pause = min(max(2*c.pause, timing.MinOpen), timing.MaxOpen)
	c.until, c.probe = now.Add(c.pause), ""
}

// enough reports whether so many orders refused in a row are reason to hold them all.
func enough(refused []string, taken, now time.Time) bool {
	if now.Sub(taken) >= timing.Proven { // or never
		return len(refused) >= fewRefusals
	}
	return len(refused) >= manyRefusals
}

// noted adds an order to those refused, of which the last ones are kept.
func noted(refused []string, id string) []string {
	if slices.Contains(refused, id) {
		return refused
	}
	return append(refused[max(0, len(refused)-manyRefusals+1):], id)
}

// AlonePause is how long an order waits that QFPay refuses while nothing is held: first, and twice as
// long after each further refusal.
func AlonePause(first time.Duration, refusals int) time.Duration {
	return min(first<<min(max(refusals-1, 0), 10), timing.MaxOpen)
}

// notify calls OnChange under the lock, so that the last call tells the current state.
func (b *Breaker) notify(s Scope, held bool) {
	if b.OnChange != nil {
		b.OnChange(s, held)
	}
}
